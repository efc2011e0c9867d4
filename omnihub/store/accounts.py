import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import IndexModel, UpdateOne
from pymongo.errors import DuplicateKeyError

from omnihub.model.account import Account, AccountPolicy, policy_of
from omnihub.model.errors import Conflict, NotFound
from omnihub.model.ids import new_id
from omnihub.store.database import Database, Doc, now
from omnihub.store.vault import Vault

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "accounts": (IndexModel([("key", 1)], unique=True),),
    "account_health": (),
    "cursors": (),
}

# Every process reads the accounts again after this time, so that a change needs no restart.
_FRESH_SECONDS = 1.0


class Accounts:
    """Connected channels. Secrets are sealed in the database and open only in `Account.settings`."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._accounts = db["accounts"]
        self._health = db["account_health"]
        self._cursors = db["cursors"]
        self._vault = vault
        self._cache: dict[str, Account] = {}
        self._read_at = float("-inf")

    async def all(self) -> list[Account]:
        if time.monotonic() - self._read_at > _FRESH_SECONDS:
            await self._refresh()
        return list(self._cache.values())

    async def _refresh(self) -> None:
        docs = [doc async for doc in self._accounts.find({"deleted_at": None}).sort("_id", 1)]
        self._cache = {doc["_id"]: self._reuse(doc) for doc in docs}
        self._read_at = time.monotonic()

    def _reuse(self, doc: Doc) -> Account:
        known = self._cache.get(doc["_id"])
        return known if known and known.version == doc["version"] else self._account(doc)

    def _account(self, doc: Doc) -> Account:
        opened = {name: self._vault.open(sealed) for name, sealed in doc["secrets"].items()}
        return Account(
            id=doc["_id"],
            key=doc["key"],
            channel=doc["channel"],
            name=doc["name"],
            enabled=doc["enabled"],
            demo=doc["demo"],
            version=doc["version"],
            settings={**doc["settings"], **opened},
            policy=policy_of(doc["policy"]),
            created_at=doc["created_at"],
        )

    async def recording_days(self) -> dict[str, int]:
        """How long each account keeps recordings where it does not do so for ever; also of removed accounts."""
        days = "policy.calls.recording_days"
        found = self._accounts.find({days: {"$gt": 0}}, {days: 1})
        return {doc["_id"]: int(doc["policy"]["calls"]["recording_days"]) async for doc in found}

    async def get(self, account_id: str) -> Account:
        """Raises NotFound."""
        await self.all()
        if account_id not in self._cache:
            await self._refresh()
        try:
            return self._cache[account_id]
        except KeyError:
            raise NotFound("this account does not exist") from None

    async def by_key(self, channel: str, key: str) -> Account:
        """Raises NotFound."""
        for account in await self.all():
            if account.channel == channel and secrets.compare_digest(account.key.encode(), key.encode()):
                return account
        raise NotFound("there is no such account")

    async def by_name(self, name_or_id: str) -> Account:
        """By id, or by name when only one has it. Raises NotFound or Conflict."""
        found = [a for a in await self.all() if name_or_id in (a.id, a.name)]
        if not found:
            raise NotFound(f"there is no account named {name_or_id!r}")
        if len(found) > 1:
            raise Conflict(f"several accounts are named {name_or_id!r}: give the id")
        return found[0]

    async def add(
        self,
        *,
        channel: str,
        name: str,
        settings: Mapping[str, Any],
        secret_names: frozenset[str],
        policy: AccountPolicy | None = None,
        enabled: bool = True,
        demo: bool = False,
        key: str = "",
    ) -> Account:
        at = now()
        doc: Doc = {
            "_id": new_id(),
            "key": key or secrets.token_urlsafe(18),
            "channel": channel,
            "name": name,
            "enabled": enabled,
            "demo": demo,
            "version": 1,
            "policy": asdict(policy or AccountPolicy()),
            "created_at": at,
            "updated_at": at,
            "deleted_at": None,
        } | self._seal(settings, secret_names)
        try:
            await self._accounts.insert_one(doc)
        except DuplicateKeyError as error:
            raise Conflict("an account with this key exists already") from error
        return await self._changed(doc["_id"])

    def _seal(self, settings: Mapping[str, Any], secret_names: frozenset[str]) -> Doc:
        return {
            "settings": {k: v for k, v in settings.items() if k not in secret_names},
            "secrets": {k: self._vault.seal(str(v)) for k, v in settings.items() if k in secret_names and v},
        }

    async def change(
        self,
        account_id: str,
        *,
        name: str | None = None,
        enabled: bool | None = None,
        policy: AccountPolicy | None = None,
        settings: Mapping[str, Any] | None = None,
        secret_names: frozenset[str] = frozenset(),
    ) -> Account:
        """Only what is given changes. Raises NotFound."""
        changes: Doc = {"updated_at": now()}
        if name is not None:
            changes["name"] = name
        if enabled is not None:
            changes["enabled"] = enabled
        if policy is not None:
            changes["policy"] = asdict(policy)
        if settings is not None:
            changes |= self._seal(settings, secret_names)
        result = await self._accounts.update_one({"_id": account_id}, {"$set": changes, "$inc": {"version": 1}})
        if not result.matched_count:
            raise NotFound("this account does not exist")
        return await self._changed(account_id)

    async def remove(self, account_id: str) -> None:
        await self._accounts.update_one(
            {"_id": account_id}, {"$set": {"deleted_at": now(), "enabled": False, "secrets": {}}}
        )
        self._read_at = float("-inf")

    async def _changed(self, account_id: str) -> Account:
        self._read_at = float("-inf")
        return await self.get(account_id)

    async def note_health(
        self,
        account_id: str,
        *,
        ok: bool,
        detail: str = "",
        counts: Mapping[str, int] | None = None,
        event: bool = False,
    ) -> bool:
        """Keeps the account's health line. Returns whether its state changed."""
        at = now()
        changes: Doc = {"state": "ok" if ok else "error", "detail": detail[:1000], "at": at}
        changes |= {"last_ok_at": at} if ok else {}
        changes |= {"last_event_at": at} if event else {}
        changes |= {f"counts.{name}": value for name, value in (counts or {}).items()}
        before = await self._health.find_one_and_update({"_id": account_id}, {"$set": changes}, upsert=True)
        return before is None or bool(before.get("state") != changes["state"])

    async def note_event(self, account_ids: Sequence[str]) -> None:
        """A message came in just now."""
        change = {"$set": {"last_event_at": now()}}
        if writes := [UpdateOne({"_id": account_id}, change, upsert=True) for account_id in account_ids]:
            await self._health.bulk_write(writes, ordered=False)

    async def count_refused(self, account_id: str) -> None:
        """A forged or unreadable call: nothing of it is stored but this count."""
        await self._health.update_one({"_id": account_id}, {"$inc": {"counts.refused": 1}}, upsert=True)

    async def health(self) -> dict[str, Doc]:
        return {doc["_id"]: doc async for doc in self._health.find()}

    async def load_cursor(self, account_id: str, name: str) -> Mapping[str, Any] | None:
        found = await self._cursors.find_one({"_id": f"{account_id}/{name}"})
        return found["value"] if found else None

    async def save_cursor(self, account_id: str, name: str, value: Mapping[str, Any]) -> None:
        await self._cursors.update_one(
            {"_id": f"{account_id}/{name}"}, {"$set": {"value": dict(value), "at": now()}}, upsert=True
        )
