"""Loads a bundle's model on threads of its own, while the rest of the service is imported and built.

The order of a start. Threads open the decode graph and the prefill graph, each while its packed files are
compared with their checksums; another one compares the bundle's weights with theirs. The caller's thread
imports and builds the rest, and parses the tokenizer *after* that: this keeps the interpreter's lock,
and the others need it until they are at work. ONNX Runtime and checksums work without it.
``ready`` waits for all of them, and warms the model up. Nothing is used before its checksum is compared.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import enumerate as enumerate_threads

from edge_llm.bundle import MODEL, MODEL_DATA, PREFILL_DATA, Bundle, verify_files
from edge_llm.config import EngineSettings
from edge_llm.engine.decoder import Decoder, load_decoder, prefill_refused, warm_up
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.packed import hold_packed, verify_weights
from edge_llm.host.cpu import plan_pinning
from edge_llm.host.memory import HugePages, release_free_memory
from edge_llm.host.pinning import thread_ids

_WEIGHTS = {MODEL_DATA, PREFILL_DATA}
"""The large files of a bundle."""


class LoadingModel:
    """A bundle's model, on its way into memory."""

    def __init__(self, bundle: Bundle, settings: EngineSettings) -> None:
        """Verify the bundle's small files, and begin with the large ones.

        Raises:
            BundleError: the bundle cannot be served.
            ConfigError: the settings ask for more context than the model has, or for cores that cannot be
                had.
        """
        manifest = bundle.manifest
        self.bundle = bundle
        self.plan = plan_pinning(settings.inference_cores)
        context = settings.context_of(manifest.name, manifest.context_tokens)
        self.cache = KVCache(manifest.kv, settings.slots, context)
        self.prefill_refused = prefill_refused(bundle, wanted=settings.prefill_graph)
        """Why prompts do not go through a prefill graph; None if they do."""
        self.huge_pages = HugePages()
        self.workers: frozenset[int] = frozenset()
        """Threads of ONNX Runtime; once the model is ready."""
        verify_files(bundle, manifest.sha256.keys() - _WEIGHTS)
        with_prefill = self.prefill_refused is None
        pool = ThreadPoolExecutor(2, "load")
        self._decoder = pool.submit(self._load, prefill=with_prefill, hold=settings.mlock)
        self._verified = pool.submit(verify_weights, bundle, manifest.sha256.keys() & _WEIGHTS)
        pool.shutdown(wait=False)

    def _load(self, *, prefill: bool, hold: bool) -> Decoder:
        others = thread_ids()
        with self.huge_pages:
            decoder = load_decoder(self.bundle, self.cache, self.plan, prefill=prefill, packed=True)
        if hold:
            # The decode graph's alone: a chunk of a prompt works long with each page of its weights.
            hold_packed(self.bundle, MODEL)
        python_threads = {thread.native_id for thread in enumerate_threads()}
        self.workers = thread_ids() - others - python_threads
        return decoder

    def ready(self) -> Decoder:
        """Wait until the model is loaded and compared with its checksums, and warm it up.

        Raises:
            BundleError: the bundle cannot be served.
            ConfigError: there is no memory to hold its weights in.
        """
        self._verified.result()  # first: whatever else failed, this says better why
        decoder = self._decoder.result()
        release_free_memory()  # the tokenizer's and ONNX Runtime's, for parsing and packing
        warm_up(decoder)
        self.huge_pages.start()
        return decoder
