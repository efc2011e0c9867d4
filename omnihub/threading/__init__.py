from omnihub.threading.facts import ConversationFact, Facts, Link, TicketFact
from omnihub.threading.placement import Placement, is_quiet, place
from omnihub.threading.tokens import ReplyTokens

__all__ = ["ConversationFact", "Facts", "Link", "Placement", "ReplyTokens", "TicketFact", "is_quiet", "place"]
