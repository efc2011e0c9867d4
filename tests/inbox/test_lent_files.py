"""Files that a provider lends, and messages that come in parts."""

import pytest

from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia
from omnihub.store.database import now
from tests.inbox.spoken import PNG, Desk, picture, said


class TestLentFiles:
    async def test_have_their_place_at_once_and_their_bytes_afterwards(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [FetchedMedia(content=PNG)]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        [place] = (await desk.message("m1"))["attachments"]
        assert (place["state"], place["content_type"]) == ("fetching", "image/png")
        await desk.errands.run_due()
        [file] = (await desk.message("m1"))["attachments"]
        assert "state" not in file
        assert (file["id"], file["filename"], file["size"]) == (place["id"], "image.png", len(PNG))
        _, digest = await desk.store.attachments.find(file["id"])
        assert await desk.store.attachments.blobs.get(digest) == PNG
        [told] = await desk.events("message.media")
        assert told["message_id"] == (await desk.message("m1"))["_id"]

    async def test_are_fetched_again_when_the_provider_is_busy(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [TryLater("busy"), FetchedMedia(content=PNG)]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        await desk.errands.run_due()
        [place] = (await desk.message("m1"))["attachments"]
        assert place["state"] == "fetching"
        await desk.store.db["errands"].update_many({}, {"$set": {"due": now()}})
        await desk.errands.run_due()
        [file] = (await desk.message("m1"))["attachments"]
        assert "state" not in file

    async def test_that_are_gone_say_so_in_the_providers_words(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [Refused("40007 invalid media_id")]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        await desk.errands.run_due()
        [lost] = (await desk.message("m1"))["attachments"]
        assert (lost["state"], lost["problem"]) == ("lost", "40007 invalid media_id")

    async def test_are_fetched_once_however_often_the_message_comes(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [FetchedMedia(content=PNG)]
        message = said("m1", "", media=(picture(),))
        await desk.hand_over(account, [message], [message])
        await desk.errands.run_due()
        await desk.replay()
        assert await desk.errands.run_due() == 0
        [file] = (await desk.message("m1"))["attachments"]
        assert "state" not in file


class TestAlbums:
    parts = (
        said("a1", "Our roof", part_of="album:7", media=(picture("p1"),)),
        said("a2", "", part_of="album:7", media=(picture("p2"),)),
        said("a3", "It leaks", part_of="album:7", media=(picture("p3"),)),
    )

    async def check(self, desk: Desk) -> None:
        [album] = await desk.messages()
        assert len(album["attachments"]) == 3
        assert {*album["text"].split("\n")} == {"Our roof", "It leaks"}
        await desk.errands.run_due()
        [album] = await desk.messages()
        assert [one.get("state") for one in album["attachments"]] == [None] * 3
        [ticket] = await desk.tickets()
        assert ticket["message_count"] == 1

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    @pytest.mark.parametrize("at_once", [True, False])
    async def test_are_one_message(self, desk: Desk, order: tuple[int, ...], at_once: bool) -> None:
        account = await desk.account()
        desk.platform(account).files |= {f"p{n}": [FetchedMedia(content=PNG)] for n in (1, 2, 3)}
        batches = [[self.parts[n]] for n in order]
        if at_once:
            await desk.hand_over(account, *batches)
        else:
            for batch in batches:
                await desk.hand_over(account, batch)
        await desk.hand_over(account, *batches)  # and all of it again
        await desk.replay()
        await self.check(desk)
