from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.samples.data import France, french_iban, iban_of, is_iban, rib_key


def test_the_example_iban_of_the_french_standard_comes_out():
    assert french_iban("20041", "01005", "0500013M026") == "FR1420041010050500013M02606"


def test_the_example_iban_of_the_german_standard_comes_out():
    assert iban_of("DE", "370400440532013000") == "DE89370400440532013000"


def test_the_rib_key_reads_letters_as_the_rule_says():
    assert rib_key("20041", "01005", "0500013M026") == "06"


@pytest.mark.parametrize("iban", ["FR1420041010050500013M02607", "FR14 2004", "", "FR14é"])
def test_a_wrong_iban_is_told_from_a_right_one(iban):
    assert not is_iban(iban)


@given(st.integers())
def test_every_iban_has_right_check_digits(seed):
    france = France(random.Random(seed))
    assert is_iban(france.own_iban())
    assert is_iban(france.account().iban)


@given(st.integers(), st.integers(1, 10**6), st.integers(0, 10**6))
def test_an_amount_stays_within_its_bounds(seed, least, more):
    assert least <= France(random.Random(seed)).cents(least, least + more) <= least + more


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Éditions de la Brèche", "editions.de@example.com"),
        ("Françoise Meunier", "francoise.meunier@example.com"),
        ("Architectes Morvan & Associés", "architectes.morvan@example.com"),
    ],
)
def test_an_address_is_the_names_letters_without_their_accents(name, address):
    assert France(random.Random(1)).email(name) == address
