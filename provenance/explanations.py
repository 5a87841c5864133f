"""Plain words for status codes: C2PA 2.x section 15.2.2, and a few of our own.

It explains; it does not decide what a code means for integrity (report).
"""

EXPLANATIONS: dict[str, str] = {
    # Ours: why there is no report to judge.
    "clearmark.container.unsupported": "This kind of file cannot carry Content Credentials that we can read.",
    "clearmark.container.unreadable": "The file is damaged, incomplete, or not what its name says.",
    "clearmark.container.truncated": "The file ends before the length it announces: a part is missing.",
    "clearmark.manifest.undecodable": "The file carries Content Credentials that are too damaged to be read.",
    "clearmark.manifest.remote": "The Content Credentials are kept on another server; we do not fetch them.",
    "clearmark.reader.timeout": "Reading the file took too long and was stopped.",
    "clearmark.reader.exit": "The file made the reader fail, so nothing can be said of it.",
    "clearmark.reader.garbled": "The file made the reader give no usable answer: nothing can be said of it.",
    "clearmark.signature.unproven": "The signature over the Content Credentials could not be confirmed.",
    # C2PA.
    "assertion.bmffHash.mismatch": "The video or audio was changed after it was signed.",
    "assertion.dataHash.mismatch": "The content of the file was changed after it was signed.",
    "assertion.boxesHash.mismatch": "A part of the file was changed, added or removed after it was signed.",
    "assertion.collectionHash.mismatch": "A file of this collection was changed after it was signed.",
    "assertion.multiAssetHash.mismatch": "One of the parts of this file was changed after it was signed.",
    "assertion.bmffHash.malformed": "The record that ties the credentials to the media is malformed.",
    "assertion.dataHash.malformed": "The record that ties the credentials to the content is malformed.",
    "assertion.boxesHash.malformed": "The record that ties the credentials to the file's parts is malformed.",
    "assertion.hashedURI.mismatch": "A statement in the credentials was changed after it was signed.",
    "assertion.missing": "A statement that the credentials name is missing.",
    "assertion.required.missing": "A statement that credentials must have is missing.",
    "assertion.undeclared": "The credentials contain a statement that was not signed.",
    "assertion.inaccessible": "A statement that the credentials name cannot be reached.",
    "assertion.notRedacted": "A statement should have been removed and is still there.",
    "assertion.selfRedacted": "The credentials remove a statement of their own, which is not allowed.",
    "assertion.action.malformed": "The recorded history of the file is malformed.",
    "assertion.action.ingredientMismatch": "A step in the history names a source file that does not fit.",
    "assertion.action.redacted": "A step was removed from the history, which is not allowed.",
    "assertion.json.invalid": "A statement in the credentials is not well formed.",
    "assertion.cbor.invalid": "A statement in the credentials is not well formed.",
    "assertion.ingredient.malformed": "The record of a source file is malformed.",
    "assertion.hardBinding.redacted": "The record that ties the credentials to the content was removed.",
    "algorithm.unsupported": "The credentials use a method that is unknown or no longer safe.",
    "claim.missing": "The credentials have no claim in them.",
    "claim.multiple": "The credentials have more than one claim where one is allowed.",
    "claim.malformed": "The claim in the credentials is malformed.",
    "claim.hardBindings.missing": "Nothing ties these credentials to this file's content.",
    "claimSignature.missing": "The credentials are not signed.",
    "claimSignature.mismatch": "The signature does not fit: the credentials were changed after signing.",
    "claimSignature.outsideValidity": "The signature was made when the signer's certificate was not valid.",
    "general.error": "The credentials could not be checked completely.",
    "hashedURI.missing": "Something that the credentials refer to is missing.",
    "hashedURI.mismatch": "Something that the credentials refer to was changed.",
    "ingredient.manifest.missing": "The credentials of a source file are missing.",
    "ingredient.manifest.mismatch": "The credentials of a source file were changed after signing.",
    "ingredient.claimSignature.missing": "The credentials of a source file have lost their signature.",
    "ingredient.claimSignature.mismatch": "The signature over a source file's credentials does not fit.",
    "ingredient.hashedURI.mismatch": "The credentials of a source file were changed after signing.",
    "manifest.inaccessible": "The credentials are kept elsewhere and could not be reached.",
    "manifest.multipleParents": "The file claims more than one direct predecessor.",
    "manifest.unknownProvenance": "It is not recorded where a source file came from.",
    "manifest.update.invalid": "An update of the credentials holds what an update may not hold.",
    "manifest.update.wrongParents": "An update of the credentials does not name exactly one predecessor.",
    "signingCredential.invalid": "The signer's certificate may not be used to sign Content Credentials.",
    "signingCredential.untrusted": "We do not know who signed this.",
    "signingCredential.expired": "The signer's certificate has expired, and no time-stamp is from before.",
    "signingCredential.ocsp.revoked": "The signer's certificate was withdrawn by its issuer.",
}


def explain(code: str) -> str:
    """One sentence for a status code; unknown codes are named rather than guessed at."""
    return EXPLANATIONS.get(code, f"A check of the Content Credentials failed ({code}).")
