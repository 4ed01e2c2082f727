"""The exception tree. Every message is one sentence that says what to do.

    KbError                          exit code 1
    ├── SettingsError                exit code 2: the call or the settings are wrong
    │   ├── GenerationMismatch       query and stored vectors come from different models
    │   └── NothingToLearn           tuning has too few questions yet
    ├── UnavailableError             exit code 3: something needed is not there
    │   ├── DatabaseUnavailable
    │   ├── EmbeddingServerUnavailable
    │   ├── RerankerUnavailable
    │   ├── ChatUnavailable          the server that writes questions or answers
    │   ├── AlertReceiverUnavailable
    │   ├── SearchServerUnavailable
    │   ├── SourceUnavailable
    │   ├── NotFetched               a web page; its source says so
    │   ├── OutputUnavailable        what a command prints cannot be written
    │   └── TooFewFiles              this process may not open as many files as it needs
    ├── AccessDenied                 exit code 2: whoever asks may not
    │   ├── Unauthenticated          no key, or none that is good
    │   └── Forbidden                the key lacks a right
    └── DocumentError                one document cannot be processed; it becomes a failure row
        ├── UnreadableFile
        ├── SharedName               another file's name is stored as this one's
        ├── UnsupportedFormat
        ├── EmptyDocument
        ├── EncryptedDocument
        ├── MalformedDocument
        ├── LimitExceeded            pages, memory, seconds, unzipped size
        ├── ParserCrashed
        ├── TextRejected             the embedding server refused one text
        ├── BadSidecar               a sidecar or manifest says what cannot be used
        └── ChangedWhileRead         the file changed between hashing and parsing; transient

Messages never carry document text: they end up in logs and in the ledger.
"""

from __future__ import annotations


class KbError(Exception):
    """Base class; `exit_code` is what the command line exits with."""

    exit_code = 1


class SettingsError(KbError):
    """The call or a setting is wrong."""

    exit_code = 2


class GenerationMismatch(SettingsError):
    """The embedding server's model is not the one the generation was built with.

    So it is after an upgrade that brings another default model: what to do must be in the message.
    """

    def __init__(self, generation: str, its_model: str, served_model: str) -> None:
        different = f"{served_model}" if served_model != its_model else f"other weights of {served_model}"
        super().__init__(
            f"Generation {generation} was embedded by {its_model}, but the embedding server runs {different}; set "
            f"KB_EMBEDDING_MODEL={its_model} (or KB_EMBEDDING_URL to a server of it) to keep what is there, or run "
            f"kb generations build (the job re_embed) to embed everything anew."
        )


class NothingToLearn(SettingsError):
    """There are too few questions to tune a model by; later there may be more."""


class UnavailableError(KbError):
    """Something the command needs is not there."""

    exit_code = 3


class DatabaseUnavailable(UnavailableError):
    """PostgreSQL cannot be reached or is not usable."""


class EmbeddingServerUnavailable(UnavailableError):
    """The embedding server cannot be reached or did not become healthy."""


class RerankerUnavailable(UnavailableError):
    """The reranker cannot be reached, is late, or answers nonsense; searches do without it."""


class ChatUnavailable(UnavailableError):
    """The chat server cannot be reached, refuses, or says nothing that can be used; `code` is for programs and
    translations."""

    def __init__(self, message: str, code: str = "failed") -> None:
        super().__init__(message)
        self.code = code


class AlertReceiverUnavailable(UnavailableError):
    """The webhook that is told of alerts cannot be reached, or did not take a message."""


class SearchServerUnavailable(UnavailableError):
    """The search server that an adapter asks cannot be reached, is overloaded, or is something else."""


class SourceUnavailable(UnavailableError):
    """A source cannot be listed."""


class NotFetched(UnavailableError):
    """There is no answer of a web server, for a reason in a few words.

    `refused`: by the rules here, and no fault of the server.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class OutputUnavailable(UnavailableError):
    """What a command prints cannot be written where it goes."""


class TooFewFiles(UnavailableError):
    """This process may not open as many files as it needs."""


class AccessDenied(KbError):
    """Whoever asks may not."""

    exit_code = 2


class Unauthenticated(AccessDenied):
    """There is no key, or none that is good."""


class Forbidden(AccessDenied):
    """The key lacks a right."""


class DocumentError(KbError):
    """One document cannot be processed.

    `transient` says that the same bytes may succeed later (a crash, a full disk), so the ledger
    schedules a retry; otherwise only a changed file or changed settings lead to another attempt.
    """

    transient = False


class UnreadableFile(DocumentError):
    """The bytes cannot be read (permissions, vanished, bad name)."""

    transient = True


class SharedName(DocumentError):
    """Another file's name is stored as this file's would be: what the names hold is masked, and alike."""


class UnsupportedFormat(DocumentError):
    """No parser handles this kind of file."""


class EmptyDocument(DocumentError):
    """The file holds no text."""


class EncryptedDocument(DocumentError):
    """The file is protected by a password."""


class MalformedDocument(DocumentError):
    """The file is damaged or is not what its name says."""


class LimitExceeded(DocumentError):
    """The file exceeds a limit of the parsing sandbox."""


class ParserCrashed(DocumentError):
    """The worker process died while parsing this file."""

    transient = True


class TextRejected(DocumentError):
    """The embedding server refused a text of this document."""


class BadSidecar(DocumentError):
    """A sidecar or a manifest cannot be used."""


class ChangedWhileRead(DocumentError):
    """The file changed between the scan and the parse; the next scan picks it up."""

    transient = True
