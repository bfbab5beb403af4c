"""`python -m edge_llm.cli`."""

import sys

from edge_llm.cli.main import main

sys.exit(main())
