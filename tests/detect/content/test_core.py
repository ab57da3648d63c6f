"""What is a template, and what is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gateway.campaigns.event import EMPTY
from gateway.detect.content import Content
from tests.detect.content.written import NOW, SLOTS, Said, Writer, core, hear, suspects, together, told


def _shared_template(write: Writer) -> list[Said]:
    return write.campaign(write.some(24), range(30))


def _short_template(write: Writer) -> list[Said]:
    return write.campaign(write.some(3), range(30))


def _long_template_of_small_slots(write: Writer) -> list[Said]:
    rubric = write.some(120)
    return [Said(party, together(rubric, write.some(4))) for party in range(40) for _ in range(3)]


def _system_prompt_with_many_questions(write: Writer) -> list[Said]:
    system = write.some(24)
    return [Said(party, write.some(8), system) for party in range(30) for _ in range(3)]


def _one_list_of_work_over_two_templates(write: Writer) -> list[Said]:
    works, templates = [write.some(8) for _ in range(30)], [write.some(12), write.some(12)]
    return [Said(p, together(templates[(p + n) % 2], works[(7 * p + n) % 30])) for p in range(40) for n in range(3)]


def _too_few_parties(write: Writer) -> list[Said]:
    return write.campaign(write.some(24), range(4), each=20)


def _one_party_alone(write: Writer) -> list[Said]:
    return write.campaign(write.some(24), range(1), each=200)


def _prompt_pasted_by_thousands(write: Writer) -> list[Said]:
    popular = [write.some(30) for _ in range(20)]
    return [Said(party, popular[party % 20]) for party in range(2000)]


def _popular_prompts_under_own_system_prompts(write: Writer) -> list[Said]:
    popular, systems = [write.some(30) for _ in range(20)], [write.some(9) for _ in range(100)]
    return [Said(p, popular[(p + n) % 20], own) for p, own in enumerate(systems) for n in (1, 2)]


def _prompt_pasted_with_a_word_changed(write: Writer) -> list[Said]:
    exercise = write.some(40)
    return [Said(party, together(exercise[1:], write.some(1))) for party in range(60)]


def _popular_prompt_that_one_app_uses_as_its_own(write: Writer) -> list[Said]:
    popular = write.some(30)
    app = [Said(5000, write.some(8), popular) for _ in range(50)]
    return [Said(party, popular) for party in range(100)] + app


def _apps_with_templates_of_their_own(write: Writer) -> list[Said]:
    return [said for party in range(40) for said in write.campaign(write.some(24), range(party, party + 1), each=10)]


def _phrases_of_everyday_language(write: Writer) -> list[Said]:
    phrases = write.some(60)
    turn = np.random.default_rng(3)
    return [Said(p, together(turn.choice(phrases, 3), write.some(20))) for p in range(300) for _ in range(3)]


@pytest.mark.parametrize(
    ("said", "templates"),
    [
        pytest.param(_shared_template, 1, id="a template with many fillings"),
        pytest.param(_short_template, 1, id="a short one"),
        pytest.param(_long_template_of_small_slots, 1, id="a long one with small slots"),
        pytest.param(_system_prompt_with_many_questions, 1, id="a system prompt with many questions"),
        pytest.param(_one_list_of_work_over_two_templates, 2, id="one list of work, two templates"),
        pytest.param(_too_few_parties, 0, id="too few parties"),
        pytest.param(_one_party_alone, 0, id="one party alone"),
        pytest.param(_prompt_pasted_by_thousands, 0, id="prompts pasted word for word"),
        pytest.param(_popular_prompts_under_own_system_prompts, 0, id="popular prompts under own system prompts"),
        pytest.param(_prompt_pasted_with_a_word_changed, 0, id="a prompt pasted with a word changed"),
        pytest.param(_popular_prompt_that_one_app_uses_as_its_own, 0, id="a popular prompt, also an app's own"),
        pytest.param(_apps_with_templates_of_their_own, 0, id="apps with templates of their own"),
        pytest.param(_phrases_of_everyday_language, 0, id="phrases of everyday language"),
    ],
)
def test_many_parties_and_many_fillings_make_a_template(said: Callable[[Writer], list[Said]], templates: int) -> None:
    """Neither alone does."""
    write, content = Writer(), core()
    told(content, write.shuffled(said(write)))
    assert len(suspects(content)) == templates


def test_each_party_of_a_campaign_is_known_by_its_next_prompt() -> None:
    """By one prompt; somebody else's prompts show nothing, and a template is told with those that showed it before."""
    write, content = Writer(), core()
    template = write.some(24)
    told(content, write.campaign(template, range(30)))
    [known] = content.templates.values()
    assert known.shingles.tolist() == template.tolist()
    assert known.key == int(template[0])
    # The rings have 32 places: of two parties in one the earlier is not remembered.
    assert 24 <= known.parties <= 30
    assert set(known.founders.tolist()) <= set(range(30))
    assert len(known.founders) >= 4
    assert known.prompts == known.hits == 26, "the first batch of 64 came before it was known"
    hits = hear(content, [*write.campaign(template, range(90, 92), each=1), Said(7, write.some(30)), Said(8, EMPTY)])
    assert hits.templates.tolist() == [known.id, known.id]
    assert hits.offsets.tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize(("users", "suspect"), [(0, True), (1, True), (6, False)])
def test_what_trusted_parties_use_as_well_is_public(users: int, suspect: bool) -> None:
    """A framework's prompt that is as common among 20 trusted parties as among 200 others; one bought account among the
    trusted does not make a campaign's template public.
    """
    write, content = Writer(), core()
    template = write.some(24)
    crowd = [Said(1000 + p, write.some(9), EMPTY, p < 20) for p in range(220)]
    trusted = write.campaign(template, range(1000, 1000 + users), trusted=True)
    told(content, write.shuffled([*crowd, *trusted, *write.campaign(template, range(60))]))
    assert (suspects(content) != []) == suspect
    hits = hear(content, write.campaign(template, range(500, 501), each=1))
    assert (len(hits.templates) == 1) == suspect
    assert (hits.public.tolist() == [24]) == (not suspect)


def test_a_generic_phrase_joins_no_two_templates() -> None:
    """Two templates in different hands that have it in common stay two."""
    write, content = Writer(), core()
    phrase, one, other = write.some(4), write.some(20), write.some(20)
    said = write.campaign(together(one, phrase), range(40)) + write.campaign(together(other, phrase), range(40, 80))
    told(content, write.shuffled(said + write.campaign(phrase, range(80, 300))))
    found = suspects(content)
    assert any(set(one.tolist()) <= set(shingles) for shingles in found)
    assert not any({int(one[0]), int(other[0])} <= set(shingles) for shingles in found)


def test_the_order_within_a_batch_changes_nothing() -> None:
    """The same templates of the same parties."""
    write = Writer()
    said = write.shuffled(write.campaign(write.some(24), range(30)) + [Said(p, write.some(20)) for p in range(99)])
    one, other = core(), core()
    for first in range(0, len(said), 64):
        batch = said[first : first + 64]
        for content, turned in ((one, batch), (other, batch[::-1])):
            hear(content, turned)
            content.look(NOW)
    assert suspects(one) == suspects(other) != []
    assert [t.parties for t in one.templates.values()] == [t.parties for t in other.templates.values()]
    assert np.array_equal(np.sort(one.table.tags, axis=None), np.sort(other.table.tags, axis=None))


def test_private_shared_and_new_shingles_are_told_apart() -> None:
    """What a party repeats is its own until another shows it."""
    write, content = Writer(), core()
    own, common = write.some(10), write.some(6)
    first = hear(content, [Said(1, own)])
    again = hear(content, [Said(1, together(own, write.some(3)))])
    stranger = hear(content, [Said(2, together(common, own[:4]))])
    after = hear(content, [Said(1, own)])
    assert [row.shingles.tolist() for row in (first, again, stranger, after)] == [[10], [13], [10], [10]]
    assert [row.private.tolist() for row in (first, again, stranger, after)] == [[0], [10], [0], [6]]
    assert [row.shared.tolist() for row in (first, again, stranger, after)] == [[0], [0], [4], [4]]


def test_what_was_rejected_counts_for_nothing_in_any_group() -> None:
    """Also after it was forgotten, and comes in other company; approved it is suspect, whoever else uses it."""
    write, content = Writer(), core()
    template = write.some(24)
    told(content, write.campaign(template, range(30)))
    [known] = content.templates.values()
    content.reject(known.key)
    assert content.look(NOW).changed == (known.id,)
    hits = hear(content, write.campaign(template, range(50, 51), each=1))
    assert len(hits.templates) == 0
    assert hits.public.tolist() == [24]
    fresh = core()
    fresh.catalogue.rulings = content.catalogue.rulings
    told(fresh, write.campaign(together(template[:20], write.some(5)), range(30)))
    assert fresh.templates
    assert suspects(fresh) == []


def test_what_is_not_seen_is_forgotten_in_two_half_lives() -> None:
    """Records, templates and parties: nothing grows for good."""
    write, content = Writer(), core(half_life=1000.0)
    told(content, write.campaign(write.some(24), range(30)))
    [id_] = content.templates
    gone = content.look(NOW + 2100.0)
    assert gone.merged == ((id_, -1),)
    assert not content.templates
    assert not len(content.heavies.live)
    assert not len(content.catalogue.ledger.keys)


def test_memory_is_bounded_under_a_flood_of_shingles() -> None:
    """Two accounts that show the same invented shingles, more than there are slots: no byte more."""
    write, content = Writer(), core()
    before = content.bytes
    for _ in range(40):
        shingles = write.some(2000)
        hear(content, [Said(1, shingles), Said(2, shingles)])
        content.look(NOW)
    assert content.bytes == before
    assert not content.templates


@pytest.mark.parametrize("flooders", [1, 2])
def test_a_flood_does_not_hide_a_template(flooders: int) -> None:
    """One party's never leaves the door. Two accounts' displaces shingles of few parties only, so that a campaign
    which goes on beside it is found all the same.
    """
    write, content = Writer(), core()
    template = write.some(24)
    for said in write.campaign(template, range(40), each=2):
        shingles = write.some(SLOTS // 64)
        hear(content, [said, *(Said(900 + row, shingles) for row in range(flooders))])
        content.look(NOW)
    assert [set(found) & set(template.tolist()) != set() for found in suspects(content)] == [True]


def test_nothing_is_heard_of_empty_batches_and_empty_prompts() -> None:
    """They have hits of nothing."""
    content = core()
    assert hear(content, []).offsets.tolist() == [0]
    hits = hear(content, [Said(1, EMPTY), Said(2, EMPTY)])
    assert hits.offsets.tolist() == [0, 0, 0]
    assert hits.shingles.tolist() == [0, 0]


def _state(content: Content) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in content.save().items()}


def test_what_was_kept_goes_on_to_the_bit() -> None:
    """Saved half-way and read into a new one: the same hits, templates and state as of one that was never stopped."""
    write = Writer()
    said = write.shuffled(write.campaign(write.some(24), range(60)) + write.campaign(write.some(2), range(60, 90)))
    said += write.campaign(write.some(24), range(100, 130))
    whole, half = core(), core()
    for content in (whole, half):
        told(content, said[:130])
    whole.reject(next(iter(whole.templates.values())).key)
    half.reject(next(iter(half.templates.values())).key)
    resumed = core()
    assert resumed.load({name: array.copy() for name, array in half.save().items()})
    for content in (whole, resumed):
        told(content, said[130:])
    assert _state(whole) == _state(resumed)
    assert whole.templates.keys() == resumed.templates.keys()


def test_what_does_not_fit_is_not_read() -> None:
    """Another size of the table, or something else: False, and nothing has changed."""
    content = core()
    before = _state(content)
    assert not content.load(core(2 * SLOTS).save())
    assert not content.load({})
    assert _state(content) == before
