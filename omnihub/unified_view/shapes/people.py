from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from omnihub.model.documents import Role
from omnihub.unified_view.shapes.common import Given, Id, Locale, Name, Scope, Shown

Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$"
    ),
]
# The upper bound keeps a hostile caller from having us hash megabytes.
Password = Annotated[str, StringConstraints(min_length=10, max_length=1000)]


class User(Shown):
    id: str
    email: str
    name: str
    role: Role
    locale: Locale
    active: bool
    extensions: list[str] = Field([], description="the telephones that ring for this user")
    created_at: datetime


class Users(Shown):
    items: list[User]


class Credentials(Given):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)


class Session(Shown):
    user: User
    csrf: str = Field(description="sent back as X-CSRF-Token with every call that changes something")


class ProfileChange(Given):
    name: Name | None = None
    locale: Locale | None = None
    current_password: str | None = Field(None, max_length=1000)
    new_password: Password | None = None


class NewUser(Given):
    email: Email
    name: Name
    role: Role
    password: Password | None = Field(None, description="generated when left out")
    locale: Locale = "en"


class UserChange(Given):
    name: Name | None = None
    role: Role | None = None
    active: bool | None = None
    extensions: list[Name] | None = Field(None, max_length=20)


class CreatedUser(Shown):
    user: User
    password: str = Field(description="shown this once")


class GeneratedPassword(Shown):
    password: str = Field(description="shown this once")


class Team(Shown):
    id: str
    name: str
    member_ids: list[str]
    created_at: datetime


class Teams(Shown):
    items: list[Team]


class NewTeam(Given):
    name: Name
    member_ids: list[Id] = Field([], max_length=1000)


class TeamChange(Given):
    name: Name | None = None
    member_ids: list[Id] | None = Field(None, max_length=1000)


class Token(Shown):
    id: str
    user_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime


class Tokens(Shown):
    items: list[Token]


class NewToken(Given):
    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=3)


class CreatedToken(Token):
    token: str = Field(description="shown this once")
