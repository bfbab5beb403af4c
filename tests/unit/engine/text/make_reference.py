"""Makes reference.json: what transformers' apply_chat_template writes for each family of ``families``.

Run once, where it is installed (the tests need no transformers), from the repository's root:

    pip install 'transformers==4.57.*'
    python -m tests.unit.engine.text.make_reference
"""

import json
from datetime import datetime
from typing import Any
from unittest import mock

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast, __version__
from transformers.utils import chat_template_utils

from tests.unit.engine.text.families import FAMILIES, REFERENCE, TEMPLATES, TODAY, cases


def main() -> None:
    """Write text and ids of each family's cases, as on the day TODAY; null where the template refuses."""
    clock = mock.Mock(spec=datetime, now=lambda: TODAY)
    found: dict[str, Any] = {"transformers": __version__}
    for name, family in FAMILIES.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=family.tokenizer(), **family.names)
        tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8").removesuffix("\n")
        for key, messages, given in cases(family):
            try:
                with mock.patch.object(chat_template_utils, "datetime", clock):
                    text = tokenizer.apply_chat_template(messages, tokenize=False, **given)
                    ids = tokenizer.apply_chat_template(messages, **given)
            except TemplateError:
                found[f"{name}/{key}"] = None
                continue
            found[f"{name}/{key}"] = [text, ids]
    lines = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in found.items()
    )
    REFERENCE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
