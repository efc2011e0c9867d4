import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10

_hasher = PasswordHasher()
# Each hash takes 64 MiB and some 50 ms: two at a time, however many try to sign in.
_workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# Checked where no user has the address, so that the answer takes as long as with one.
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))
# Without 0/o, 1/l/i and u/v, which are misread or misheard.
_LETTERS = "abcdefghjkmnpqrstwxyz23456789"


def generate() -> str:
    """Four groups of five: 97 bits, and can be read out over the phone."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def hash_now(password: str) -> str:
    """Blocks for the time of one hash."""
    return _hasher.hash(password)


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_workers, _hasher.hash, password)


async def matches(password_hash: str | None, password: str) -> bool:
    """Takes as long for None, where there is no user to compare with."""
    right = await asyncio.get_running_loop().run_in_executor(_workers, _verify, password_hash or _NOBODY, password)
    return right and password_hash is not None


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)
