"""Invented names in Blizzard's twelve locales.

Every name of an item, a recipe or a place in the sandbox is made here: none is taken from the game.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCALES = (
    "en_US",
    "es_MX",
    "pt_BR",
    "de_DE",
    "en_GB",
    "es_ES",
    "fr_FR",
    "it_IT",
    "ru_RU",
    "ko_KR",
    "zh_TW",
    "zh_CN",
)
"""In the order in which an answer without `locale` lists them."""

SEARCH_LOCALES = (
    "it_IT",
    "ru_RU",
    "en_GB",
    "zh_TW",
    "ko_KR",
    "en_US",
    "es_MX",
    "pt_BR",
    "es_ES",
    "zh_CN",
    "fr_FR",
    "de_DE",
)
"""In the order of the item search, which differs from that of the other answers."""

ENGLISH = ("en_US", "en_GB")

_PATTERNS: Mapping[str, str] = {
    "es_MX": "{kind} de {name}",
    "pt_BR": "{kind} de {name}",
    "de_DE": "{name}-{kind}",
    "es_ES": "{kind} de {name}",
    "fr_FR": "{kind} de {name}",
    "it_IT": "{kind} di {name}",
    "ru_RU": "{kind} «{name}»",
    "ko_KR": "{name} {kind}",
    "zh_TW": "{name}{kind}",
    "zh_CN": "{name}{kind}",
}

_KIND_COLUMNS = ("es_MX", "pt_BR", "de_DE", "es_ES", "fr_FR", "it_IT", "ru_RU", "ko_KR", "zh_TW", "zh_CN")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "herb": ("Hierba", "Erva", "Kraut", "Hierba", "Herbe", "Erba", "Трава", "약초", "草藥", "草药"),
    "metal": ("Mineral", "Minério", "Erz", "Mineral", "Minerai", "Minerale", "Руда", "광석", "礦石", "矿石"),
    "cloth": ("Paño", "Tecido", "Stoff", "Paño", "Étoffe", "Stoffa", "Ткань", "옷감", "布料", "布料"),
    "leather": ("Cuero", "Couro", "Leder", "Cuero", "Cuir", "Cuoio", "Кожа", "가죽", "皮革", "皮革"),
    "food": ("Guiso", "Prato", "Gericht", "Guiso", "Mets", "Piatto", "Блюдо", "요리", "菜餚", "菜肴"),
    "dust": ("Polvo", "Pó", "Staub", "Polvo", "Poussière", "Polvere", "Пыль", "가루", "粉塵", "粉尘"),
    "gem": ("Gema", "Gema", "Edelstein", "Gema", "Gemme", "Gemma", "Самоцвет", "보석", "寶石", "宝石"),
    "ink": ("Tinta", "Tinta", "Tinte", "Tinta", "Encre", "Inchiostro", "Чернила", "잉크", "墨水", "墨水"),
    "part": ("Pieza", "Peça", "Bauteil", "Pieza", "Pièce", "Pezzo", "Деталь", "부품", "零件", "零件"),
    "potion": ("Poción", "Poção", "Trank", "Poción", "Potion", "Pozione", "Зелье", "물약", "藥水", "药水"),
    "oil": ("Aceite", "Óleo", "Öl", "Aceite", "Huile", "Olio", "Масло", "오일", "油", "油"),
    "weapon": ("Arma", "Arma", "Waffe", "Arma", "Arme", "Arma", "Оружие", "무기", "武器", "武器"),
    "armor": ("Armadura", "Armadura", "Rüstung", "Armadura", "Armure", "Armatura", "Доспех", "갑옷", "護甲", "护甲"),
    "plan": ("Diseño", "Projeto", "Bauplan", "Diseño", "Plan", "Progetto", "Чертеж", "도안", "設計圖", "图纸"),
    "bag": ("Bolsa", "Bolsa", "Tasche", "Bolsa", "Sac", "Borsa", "Сумка", "가방", "背包", "背包"),
    "curio": ("Rareza", "Raridade", "Kuriosum", "Rareza", "Curiosité", "Rarità", "Диковинка", "골동품", "珍品", "珍品"),
}
KINDS = tuple(_KINDS)
"""What a name can name; each has its word in every locale."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name as the game keeps it: English, and what it names, from which the other locales follow."""

    english: str
    kind: str | None = None
    """One of `KINDS`; None for a word that reads the same in every locale."""
    only_english: bool = False
    """A placeholder: `en_GB` and `en_US` are all there is."""

    def in_locale(self, locale: str) -> str:
        """Return the name as an answer with `locale` has it.

        >>> Name("Gloamcap", kind="herb").in_locale("de_DE")
        'Gloamcap-Kraut'
        >>> Name("Gloamcap", kind="herb", only_english=True).in_locale("de_DE")
        'Gloamcap'
        """
        if self.kind is None or self.only_english or locale not in _PATTERNS:
            return self.english
        kind = _KINDS[self.kind][_KIND_COLUMNS.index(locale)]
        return _PATTERNS[locale].format(kind=kind, name=self.english)

    def in_all(self, locales: tuple[str, ...] = LOCALES) -> dict[str, str]:
        """Return the name in every one of `locales`, in that order.

        >>> Name("Gloamcap", kind="herb", only_english=True).in_all()
        {'en_US': 'Gloamcap', 'en_GB': 'Gloamcap'}
        """
        return {locale: self.in_locale(locale) for locale in locales if not self.only_english or locale in ENGLISH}


FIRST = (
    *("Gloam", "Brindle", "Tallow", "Ochre", "Wither", "Quill", "Sedge", "Marl", "Fen", "Skerry", "Hearth"),
    *("Lorn", "Vesper", "Rime", "Sable", "Mottle", "Drift", "Umber", "Kelder", "Orrin", "Pell", "Tarn"),
    *("Wold", "Yarrow", "Zephyr", "Asker", "Bracken", "Corvel", "Dunmar", "Eldrow", "Farrow", "Gannet"),
    *("Hask", "Isen", "Jorrel", "Karst", "Lantry", "Merrow", "Nettle", "Oster", "Pryde", "Quarrel", "Rusk"),
    *("Saltern", "Thorrel", "Ulver", "Varrow", "Wickel", "Yelden", "Zarrow", "Ambry", "Bellan", "Cresset"),
    *("Dapple", "Emmer", "Fallow", "Garron", "Holm", "Ivel", "Jessam", "Kittle", "Lovage", "Mander"),
    *("Norrel", "Ottery", "Pimmer", "Querl", "Rowel", "Sorrel", "Teasel", "Ushant", "Vellum", "Wether"),
)
SECOND = (
    *("pallid", "wayworn", "tidebound", "unlit", "smoked", "thrice-sifted", "homespun", "moonless", "keen"),
    *("loamy", "fretted", "hushed", "sunless", "salted", "windlost", "gilt-edged", "bitter", "frail"),
    *("steadfast", "tempered", "idle", "mild", "drowned", "wild-grown", "borrowed", "patient", "thin"),
    *("half-fired", "cloven", "twofold", "late", "barrowside", "clear-eyed", "blunt", "motherless", "sweet"),
    *("inland", "cold-pressed", "hand-turned", "starless"),
)
LANDS = (
    *("Classic", "Outer Skerries", "Rimewold", "Sundered Coast", "Lanternfall", "Oxbow Reach", "Thornless Isle"),
    *("Saltmarsh", "Pale Hollows", "Wyvern Downs", "Undercroft"),
)
"""The places after which skill tiers are named, oldest first."""
