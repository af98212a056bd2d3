"""
Collections of Firefox's Remote Settings as records: search-config-v2, translations-models, regions.

Each class declares all that its documents hold, so that nothing is left in `extra`.  Keys are in
camelCase there, which `rename` says, and here and there in other words than here, which `key`
says.  They are in the bucket of the client, since the same collections are kept in several: main,
preview, staging.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from kinto_orm import Attachment, Embedded, EmbeddedRecord, Field, Record, embedded, field


class Value(EmbeddedRecord, rename="camelCase"):
    """Any object inside a record."""


# -- search-config-v2: four kinds of record in one collection ----------------------------------


class Application(StrEnum):
    """A browser."""

    FIREFOX = "firefox"
    FIREFOX_ANDROID = "firefox-android"
    FIREFOX_IOS = "firefox-ios"
    FOCUS_ANDROID = "focus-android"
    FOCUS_IOS = "focus-ios"


#: How a browser is released.
Channel: TypeAlias = Literal["default", "nightly", "aurora", "beta", "release", "esr"]


class Parameter(Value):
    """A parameter in the URL of a search engine."""

    name: Field[str]
    value: Field[str | None] = field(default=None)
    experiment_config: Field[str | None] = field(default=None)
    enterprise_value: Field[str | None] = field(default=None)


class Url(Value):
    """Where a search engine answers."""

    base: Field[str | None] = field(default=None)
    method: Field[Literal["GET", "POST"]] = field(default="GET")
    parameters: Field[list[Parameter]] = field(factory=list, key="params")
    term_parameter: Field[str | None] = field(default=None, key="searchTermParamName")
    content_types: Field[list[str]] = field(factory=list, key="acceptedContentTypes")
    display_names: Field[dict[str, str]] = field(factory=dict, key="displayNameMap")
    no_partner_code: Field[bool] = field(default=False, key="excludePartnerCodeFromTelemetry")


class Urls(Value):
    """Where a search engine answers, by the kind of question."""

    search: Embedded[Url | None] = embedded(default=None)
    suggestions: Embedded[Url | None] = embedded(default=None)
    trending: Embedded[Url | None] = embedded(default=None)
    visual: Embedded[Url | None] = embedded(default=None, key="visualSearch")


class Environment(Value):
    """Which Firefox something is for."""

    everywhere: Field[bool] = field(default=False, key="allRegionsAndLocales")
    applications: Field[list[Application]] = field(factory=list)
    channels: Field[list[Channel]] = field(factory=list)
    distributions: Field[list[str]] = field(factory=list)
    excluded_locales: Field[list[str]] = field(factory=list)
    excluded_regions: Field[list[str]] = field(factory=list)
    experiment: Field[str | None] = field(default=None)
    locales: Field[list[str]] = field(factory=list)
    min_version: Field[str | None] = field(default=None)
    regions: Field[list[str]] = field(factory=list)


class SubVariant(Value):
    """What is different about an engine in some environments."""

    environment: Embedded[Environment]
    partner_code: Field[str | None] = field(default=None)
    telemetry_suffix: Field[str | None] = field(default=None)
    urls: Embedded[Urls | None] = embedded(default=None)


class Variant(SubVariant):
    """A variant, which may have variants of its own."""

    optional: Field[bool] = field(default=False)
    variants: Field[list[SubVariant]] = field(factory=list, key="subVariants")


class Base(Value):
    """What is the same about an engine everywhere."""

    name: Field[str]
    classification: Field[Literal["general", "unknown"]]
    urls: Embedded[Urls]
    aliases: Field[list[str]] = field(factory=list)
    charset: Field[str | None] = field(default=None)
    partner_code: Field[str | None] = field(default=None)


class SearchConfig(
    Record, collection="search-config-v2", tag_field="recordType", rename="camelCase"
):
    """Any record of the collection."""


class Engine(SearchConfig, tag="engine"):
    """A search engine."""

    identifier: Field[str]
    base: Embedded[Base]
    variants: Field[list[Variant]] = field(factory=list)
    notes: Field[str | None] = field(default=None)


class SpecificDefault(Value):
    """The default engine of some environments."""

    default: Field[str]
    environment: Embedded[Environment]


class DefaultEngines(SearchConfig, tag="defaultEngines"):
    """Which engines are the default."""

    everywhere: Field[str] = field(key="globalDefault")
    specific: Field[list[SpecificDefault]] = field(factory=list, key="specificDefaults")


class EngineOrder(Value):
    """The order of engines in some environments."""

    environment: Embedded[Environment]
    order: Field[list[str]]


class EngineOrders(SearchConfig, tag="engineOrders"):
    """In which order engines are shown."""

    orders: Field[list[EngineOrder]]


class AvailableLocales(SearchConfig, tag="availableLocales"):
    """Which locales there are."""

    locales: Field[list[str]]


# -- translations-models and regions: records with an attachment -------------------------------


class FileType(StrEnum):
    """What a file is to a model."""

    MODEL = "model"
    LEXICON = "lex"
    VOCABULARY = "vocab"
    SOURCE_VOCABULARY = "srcvocab"
    TARGET_VOCABULARY = "trgvocab"


class TranslationModel(Record, collection="translations-models", rename="camelCase"):
    """A file of a model that translates from one language to another."""

    name: Field[str]
    version: Field[str]
    file_type: Field[FileType]
    from_language: Field[str] = field(key="fromLang")
    to_language: Field[str] = field(key="toLang")
    filter_expression: Field[str] = field(default="", key="filter_expression")
    hash: Field[str | None] = field(default=None)
    attachment: Embedded[Attachment]


class Region(Record, collection="regions"):
    """A region of the world."""

    attachment: Embedded[Attachment]
