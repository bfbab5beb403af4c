#!/bin/sh
# Types, tests and coverage of custom_components: config_flow.py 100 %, every module 95 %. scripts/test-hubs starts it in
# Home Assistant's Debian.
set -e
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
python=/ha-tests/bin/python
$python -m mypy --config-file tests/component/setup.cfg custom_components/edge_llm tests/component
$python -m pytest -c tests/component/setup.cfg --rootdir . tests/component
for module in $(find custom_components -name '*.py'); do
  least=95
  [ "$(basename "$module")" != config_flow.py ] || least=100
  $python -m coverage report --include "$module" --fail-under $least >coverage.txt || { cat coverage.txt; exit 1; }
done
version=$($python -c 'from homeassistant.const import __version__; print(__version__)')
echo "custom_components: types, tests and coverage are right in Home Assistant $version"
