"""Words whose stem changes: schließen and geschlossen, freeze and frozen, foot and feet."""

from functools import cache
from importlib.resources import files

from edge_llm.documents.search.language.words import normalise, stem


@cache
def families(language: str) -> dict[str, frozenset[str]]:
    """The terms of the same word, by each of them."""
    text = files("edge_llm.documents.search.language").joinpath("irregular.txt").read_text(encoding="utf-8")
    (section,) = (part for part in text.split("\n[") if part.startswith(f"{language}]"))
    found: dict[str, set[str]] = {}
    for line in section.splitlines()[1:]:
        family = {stem(word) for word in normalise(line).split()}
        if language == "de":
            # verschlossen is schlossen with a prefix, abgeschlossen geschlossen.
            family |= {form[2:] for form in family if form.startswith("ge") and len(form) >= 5}
        for form in family:
            found.setdefault(form, set()).update(family)
    return {form: frozenset(family) for form, family in found.items()}
