from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis

from omnihub.settings import Settings
from omnihub.store import schema
from omnihub.store.access_tokens import AccessTokens
from omnihub.store.accesses import Accesses
from omnihub.store.accounts import Accounts
from omnihub.store.attachments import Attachments
from omnihub.store.bell import Bell
from omnihub.store.blobs import GridFSBlobs
from omnihub.store.call_backs import CallBacks
from omnihub.store.call_log import CallLog
from omnihub.store.contacts import Contacts
from omnihub.store.conversations import Conversations
from omnihub.store.counters import Counters
from omnihub.store.database import Database, Session
from omnihub.store.errands import Errands
from omnihub.store.events import Events
from omnihub.store.file_links import FileLinks
from omnihub.store.journal import Journal
from omnihub.store.leases import Leases
from omnihub.store.limits import Limits
from omnihub.store.messages import Messages
from omnihub.store.operations import Operations
from omnihub.store.outbox import Outbox
from omnihub.store.presence import Presence
from omnihub.store.pressure import Bounds, Pressure
from omnihub.store.search import SearchIndex
from omnihub.store.search_state import SearchState
from omnihub.store.sessions import Sessions
from omnihub.store.tickets import Tickets
from omnihub.store.users import Users
from omnihub.store.vault import Vault, master_secret

T = TypeVar("T")


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        backlog=settings.intake.backlog_megabytes * 1_048_576,
        free_disk=settings.storage.free_megabytes * 1_048_576,
    )


class Store:
    """Everything that remembers, and the bell. One per process."""

    def __init__(self, settings: Settings, mongodb_uri: str, redis_url: str) -> None:
        self.db = Database(mongodb_uri, settings.mongodb.database, settings.mongodb.pool)
        # Longer than any command of ours blocks: whoever hears nothing for so long looks by itself.
        patience = settings.outbound.sweep_seconds + 5
        self.redis = Redis.from_url(
            redis_url, socket_timeout=patience, socket_connect_timeout=3, health_check_interval=30
        )
        self.vault = Vault(master_secret(settings.security.secret_key.get_secret_value(), settings.storage.var))
        self.bell = Bell(self.redis, settings.redis.prefix)
        self.access_tokens = AccessTokens(self.redis, settings.redis.prefix, self.vault)
        self.limits = Limits(self.redis, settings.redis.prefix)
        self.blobs = GridFSBlobs(self.db)
        self.file_links = FileLinks(self.vault.sign, settings.public_url)
        self.attachments = Attachments(self.db, self.blobs)
        self.pressure = Pressure(self.db, _bounds(settings))
        self.journal = Journal(self.db, self.bell, self.blobs, self.pressure)
        self.accounts = Accounts(self.db, self.vault)
        self.contacts = Contacts(self.db)
        self.conversations = Conversations(self.db)
        self.tickets = Tickets(self.db)
        self.messages = Messages(self.db)
        self.call_log = CallLog(self.db)
        self.accesses = Accesses(self.db)
        self.outbox = Outbox(self.db)
        self.errands = Errands(self.db)
        self.events = Events(self.db)
        self.operations = Operations(self.db)
        self.users = Users(self.db)
        self.search = SearchIndex(self.db)
        self.search_state = SearchState(self.db)
        self.sessions = Sessions(self.db)
        self.counters = Counters(self.db)
        self.leases = Leases(self.db)
        self.presence = Presence(self.db)
        self.call_backs = CallBacks(self.db)

    async def prepare(self) -> None:
        """Indexes and migrations. Raises schema.SchemaTooNew."""
        await schema.ensure(self.db)

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        return await self.db.transaction(work)

    async def close(self) -> None:
        await self.journal.close()
        await self.redis.aclose()
        self.db.close()
