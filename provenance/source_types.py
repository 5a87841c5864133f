"""Where media came from, in the words of IPTC, and the same in those of schema.org.

Source: IPTC NewsCodes digitalsourcetype (cv.iptc.org), schema.org IPTCDigitalSourceEnumeration.
"""

from enum import StrEnum

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_SCHEMA_ORG = "https://schema.org/"


class SourceType(StrEnum):
    """How media came to be; values are the last part of the IPTC address and are never renamed."""

    TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA = "compositeWithTrainedAlgorithmicMedia"
    COMPOSITE_SYNTHETIC = "compositeSynthetic"
    ALGORITHMIC_MEDIA = "algorithmicMedia"
    ALGORITHMICALLY_ENHANCED = "algorithmicallyEnhanced"
    COMPOSITE = "composite"
    COMPOSITE_CAPTURE = "compositeCapture"
    COMPUTATIONAL_CAPTURE = "computationalCapture"
    DIGITAL_CAPTURE = "digitalCapture"
    DIGITAL_CREATION = "digitalCreation"
    HUMAN_EDITS = "humanEdits"
    SCREEN_CAPTURE = "screenCapture"
    VIRTUAL_RECORDING = "virtualRecording"

    @property
    def uri(self) -> str:
        """The IPTC address, as manifests and XMP state it."""
        return _IPTC + self.value

    @property
    def is_ai(self) -> bool:
        """Whether all or a part of it was made by a trained model."""
        return self in _AI

    @property
    def schema_org(self) -> str | None:
        """The schema.org member that says the same, None where it has none."""
        name = _SCHEMA_NAMES.get(self, self.value[0].upper() + self.value[1:])
        return f"{_SCHEMA_ORG}{name}DigitalSource" if name else None


_AI = {
    SourceType.TRAINED_ALGORITHMIC_MEDIA,
    SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    SourceType.COMPOSITE_SYNTHETIC,
}
_SCHEMA_NAMES: dict[SourceType, str | None] = {
    SourceType.COMPUTATIONAL_CAPTURE: "MultiFrameComputationalCapture",
    SourceType.DIGITAL_CREATION: None,
    SourceType.HUMAN_EDITS: None,
}


def source_type_of(uri: str | None) -> SourceType | None:
    """The source type with that address; None when it is not one of ours."""
    if uri is None or not uri.startswith(_IPTC):
        return None
    name = uri.removeprefix(_IPTC)
    return SourceType(name) if name in SourceType._value2member_map_ else None
