from outbound_world import World

from omnihub.model.outgoing import SendResult
from tests.conftest import Eventually


async def test_refusals_are_kept_whatever_characters_an_address_has(world: World, eventually: Eventually) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    refused = {"$odd.name@example.com": "550 no", "a.b@example.com": "550 no"}
    provider.answers["Hello."] = [SendResult(external_id="sent@p", refused=refused)]
    message = await world.reply(ticket, "Hello.")

    async def recorded() -> bool:
        return await world.state(message) == "sent"

    async with world.worker():
        await eventually(recorded)
    delivery = (await world.store.messages.get(message["_id"]))["delivery"]
    assert delivery
    assert delivery["refused"] == refused
