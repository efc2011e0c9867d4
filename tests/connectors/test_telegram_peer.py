"""python-telegram-bot, which nobody here wrote, as a bot of our simulator."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import pytest
from telegram import Bot, ReplyParameters, Update
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter
from telegram_desk import MARIA, World, world

from omnihub.connectors.simulation import Spoken
from omnihub.connectors.telegram.simulator import GROUP_ID
from omnihub.connectors.telegram.simulator_bot import Rates
from omnihub.connectors.telegram.simulator_opus import opus_note


@asynccontextmanager
async def peer(there: World) -> AsyncIterator[Bot]:
    url = there.simulator.url
    async with Bot(there.simulator.bot.token, base_url=f"{url}/bot", base_file_url=f"{url}/file/bot") as bot:
        yield bot


async def test_the_bot_starts_and_knows_itself(tmp_path: Path) -> None:
    async with world(tmp_path) as there, peer(there) as bot:
        assert (bot.id, bot.username, bot.can_read_all_group_messages) == (7_000_000_001, "omnihub_demo_bot", True)
        assert await bot.delete_webhook()
        assert (await bot.get_webhook_info()).pending_update_count == 0


async def test_every_update_is_a_real_one(tmp_path: Path) -> None:
    async with world(tmp_path) as there, peer(there) as bot:
        chats = there.simulator.chats
        maria, group = chats.people[0], chats.people[3]
        for kind in ("text", "image", "voice", "video", "file", *(action.key for action in chats.actions)):
            spoken = Spoken(kind=kind, text="words", filename="f", content_type="audio/ogg", content=opus_note())
            await chats.speak(maria, spoken)
        await chats.speak(group, Spoken(kind="text", text="in the group"))
        await there.simulator.upgrade_group(group)
        updates = await bot.get_updates(timeout=0, allowed_updates=Update.ALL_TYPES)
        assert [one.update_id for one in updates] == sorted(there.simulator.bot.pending)
        for update, sent in zip(updates, there.simulator.bot.pending.values(), strict=True):
            (kind, payload), = ((k, v) for k, v in sent.body.items() if k != "update_id")  # fmt: skip
            theirs = getattr(update, kind)
            assert theirs is not None
            assert not theirs.api_kwargs, "fields that the Bot API does not have"
            assert theirs.chat.id == payload["chat"]["id"]
            assert theirs.date.timestamp() == payload["date"]
            assert theirs.from_user.id == payload["from"]["id"]
        messages = [one.message for one in updates if one.message]
        assert {m.text for m in messages if m.text} >= {"words", "in the group", "/start words"}
        assert [m.photo[-1].width for m in messages if m.photo] == [800]
        assert [m.voice.mime_type for m in messages if m.voice] == ["audio/ogg"]
        assert [m.document.file_name for m in messages if m.document] == ["f"]
        assert [m.contact.user_id for m in messages if m.contact] == [MARIA]
        assert [m.location.latitude for m in messages if m.location] == [48.8584]
        assert [one.my_chat_member.new_chat_member.status for one in updates if one.my_chat_member] == [
            "kicked",
            "member",
        ]
        assert [one.edited_message.edit_date is not None for one in updates if one.edited_message] == [True]
        assert await bot.get_updates(offset=updates[-1].update_id + 1, timeout=0) == ()
        assert await bot.get_updates(timeout=0) == ()


async def test_the_bot_sends_and_fetches(tmp_path: Path) -> None:
    async with world(tmp_path) as there, peer(there) as bot:
        asked = await there.simulator.say(there.simulator.chats.people[0], text="hello?")
        sent = await bot.send_message(MARIA, "hello", reply_parameters=ReplyParameters(asked["message_id"]))
        assert sent.reply_to_message is not None
        assert sent.reply_to_message.text == "hello?"
        picture = await bot.send_photo(MARIA, BytesIO(b"\x89PNG" + bytes(30)), caption="see", filename="a.png")
        assert (picture.caption, len(picture.photo)) == ("see", 2)
        document = await bot.send_document(MARIA, BytesIO(b"%PDF"), filename="发票.pdf")
        assert document.document is not None
        assert document.document.file_name == "发票.pdf"
        assert (await bot.send_voice(MARIA, BytesIO(opus_note()))).voice is not None
        assert await bot.send_chat_action(MARIA, "typing")
        assert await bot.delete_message(MARIA, sent.message_id)
        file = await bot.get_file(picture.photo[-1].file_id)
        assert bytes(await file.download_as_bytearray()) == b"\x89PNG" + bytes(30)
        assert (await bot.get_chat(MARIA)).first_name == "Maria"
        assert (await bot.get_user_profile_photos(MARIA)).total_count == 0


async def test_the_bot_understands_every_refusal(tmp_path: Path) -> None:
    async with world(tmp_path, rates=Rates(chat=(2, 9.0))) as there, peer(there) as bot:
        simulator = there.simulator
        with pytest.raises(BadRequest, match=r"[Cc]hat not found"):
            await bot.send_message(12345, "x")
        with pytest.raises(BadRequest, match="too long"):
            await bot.send_message(MARIA, "x" * 4097)
        await bot.send_message(MARIA, "x")
        with warnings.catch_warnings():  # it warns of a change of its own, within its own error
            warnings.simplefilter("ignore")
            with pytest.raises(RetryAfter, match="in 9 seconds"):
                await bot.send_message(MARIA, "x")
        simulator.bot.blocked.add(MARIA + 1)
        with pytest.raises(Forbidden, match="blocked by the user"):
            await bot.send_message(MARIA + 1, "x")
        new = await simulator.upgrade_group(simulator.chats.people[3])
        with pytest.raises(ChatMigrated) as moved:
            await bot.send_message(GROUP_ID, "x")
        assert moved.value.new_chat_id == new
        huge = simulator.bot.keep_file(b"", "videos", ".mp4", size=30_000_000)
        with pytest.raises(BadRequest, match="too big"):
            await bot.get_file(huge["file_id"])
        simulator.bot.token = "7000000001:another"
        with pytest.raises(InvalidToken):
            await bot.get_me()


async def test_one_poller_at_a_time_and_none_beside_a_webhook(tmp_path: Path) -> None:
    async with world(tmp_path) as there, peer(there) as first, peer(there) as second:
        waiting = asyncio.create_task(first.get_updates(timeout=20))
        async with asyncio.timeout(5):
            while not there.simulator.methods.polled_at:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert await second.get_updates(timeout=0) == ()
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await waiting
        assert await second.set_webhook("http://127.0.0.1:9/x", secret_token="a-secret_1")
        with pytest.raises(Conflict, match="webhook is active"):
            await second.get_updates(timeout=0)
        with pytest.raises(BadRequest, match="unallowed characters"):
            await second.set_webhook("http://127.0.0.1:9/x", secret_token="not allowed")
        info = await second.get_webhook_info()
        assert (info.url, info.max_connections) == ("http://127.0.0.1:9/x", 40)
