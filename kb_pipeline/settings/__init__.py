"""Settings, and the fingerprints that decide what is done again.

A setting comes from, in this order: an environment variable `KB_*`, the file `.env`, the file
`kb.toml` (or the one `KB_CONFIG` names), the default. A variable reaches into a table of kb.toml by two
underscores: `KB_SGLANG__PORT` is `port` of `[sglang]`. All local state lives under `KB_HOME`. A name that is no
setting is refused wherever it stands: a misspelt one would be ignored without a word.
"""

from kb_pipeline.settings.alerts import AlertFormat, AlertKind, AlertSettings
from kb_pipeline.settings.documents import (
    ChunkingSettings,
    CollectionSettings,
    ParsingLimits,
    PolicySettings,
    PrivacySettings,
    SourceSettings,
)
from kb_pipeline.settings.fingerprints import CHUNK_CODE_VERSION, PARSE_CODE_VERSION, fingerprint
from kb_pipeline.settings.names import CONFIG_VARIABLE, PREFIX
from kb_pipeline.settings.searching import (
    AnswerSettings,
    GlossarySettings,
    GoldenQuestion,
    QualitySettings,
    RerankerSettings,
    SearchSettings,
)
from kb_pipeline.settings.servers import ServerSettings, SglangSettings
from kb_pipeline.settings.site import Settings, load_settings
from kb_pipeline.settings.time import RetentionSettings, ScheduleSettings, is_timezone, local_timezone

__all__ = [
    "CHUNK_CODE_VERSION",
    "CONFIG_VARIABLE",
    "PARSE_CODE_VERSION",
    "PREFIX",
    "AlertFormat",
    "AlertKind",
    "AlertSettings",
    "AnswerSettings",
    "ChunkingSettings",
    "CollectionSettings",
    "GlossarySettings",
    "GoldenQuestion",
    "ParsingLimits",
    "PolicySettings",
    "PrivacySettings",
    "QualitySettings",
    "RerankerSettings",
    "RetentionSettings",
    "ScheduleSettings",
    "SearchSettings",
    "ServerSettings",
    "Settings",
    "SglangSettings",
    "SourceSettings",
    "fingerprint",
    "is_timezone",
    "load_settings",
    "local_timezone",
]
