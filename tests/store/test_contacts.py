from omnihub.model.documents import ContactDoc
from omnihub.model.ids import new_id
from omnihub.store.database import now
from omnihub.store.store import Store


def person(name: str, address: str) -> ContactDoc:
    return ContactDoc(
        _id=new_id(),
        name=name,
        identities=[f"email:{address}"],
        merged_into=None,
        created_at=now(),
        updated_at=now(),
    )


async def test_a_search_finds_beginnings_of_one_word_and_nobody_else(store: Store) -> None:
    people = [person("Chen Jie", "zoe@customer.test"), person("Cust Two", "cust290@customer.test")]
    await store.transaction(lambda session: store.contacts.save(people, [], session))
    found = {words: [c["name"] for c in (await store.contacts.page(words, "", 10))[0]] for words in WORDS}
    assert found == {
        "cust290": ["Cust Two"],
        "CHEN": ["Chen Jie"],
        "jie": ["Chen Jie"],
        "zoe@": ["Chen Jie"],
        "nobody": [],
    }


WORDS = ("cust290", "CHEN", "jie", "zoe@", "nobody")
