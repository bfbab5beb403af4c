# Sourced after common.sh: a container engine that answers, Compose, and the images that are built upon.

# docker_engine: start one where none answers.
docker_engine() {
  docker info >/dev/null 2>&1 && return
  [[ -x $(command -v dockerd) ]] || apt_install docker.io
  docker info >/dev/null 2>&1 && return # a package that starts its service
  [[ $EUID -eq 0 ]] || die "no Docker engine answers: start one, and let this user use it"
  say "starting dockerd …"
  nohup dockerd >"${TMPDIR:-/tmp}/dockerd.log" 2>&1 &
  for _ in {1..60}; do
    docker info >/dev/null 2>&1 && return
    sleep 0.5
  done
  die "dockerd does not start: see ${TMPDIR:-/tmp}/dockerd.log"
}

# docker_compose: Compose, as the engine's plugin or as a command of its own.
docker_compose() {
  docker compose version >/dev/null 2>&1 && return
  command -v docker-compose >/dev/null && return
  (apt_install docker-compose-v2) 2>/dev/null || apt_install docker-compose # Ubuntu's name, Debian's
}

# base_image: debian:bookworm-slim, or where no registry can be reached a minimal system from this one's packages in
# its place, slim in the same way, that trusts the authorities which this machine trusts.
base_image() {
  local image=debian:bookworm-slim
  docker image inspect "$image" >/dev/null 2>&1 && return
  timeout 120 docker pull --quiet "$image" >/dev/null 2>&1 && return
  say "no registry answers: building $image from this system's packages …"
  command -v debootstrap >/dev/null || apt_install debootstrap
  local codename mirror root authorities=/usr/local/share/authorities.crt
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $codename" | head -1)
  root=$(mktemp -d)
  debootstrap --variant=minbase --components=main,universe "$codename" "$root" "$mirror" >"$root.log" 2>&1 \
    || die "debootstrap failed: see $root.log"
  find "$root/usr/share/doc" ! -type d ! -name copyright -delete
  cp /etc/ssl/certs/ca-certificates.crt "$root$authorities"
  tar -C "$root" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/locale/*' \
    --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' -c . \
    | docker import -c "ENV PIP_CERT=$authorities SSL_CERT_FILE=$authorities NODE_EXTRA_CA_CERTS=$authorities" \
      -c 'CMD ["bash"]' - "$image" >/dev/null
  rm -rf "$root" "$root.log"
}

# broker_image: eclipse-mosquitto:2, or where no registry can be reached Debian's or Ubuntu's mosquitto in its place.
broker_image() {
  docker image inspect eclipse-mosquitto:2 >/dev/null 2>&1 && return
  timeout 120 docker pull --quiet eclipse-mosquitto:2 >/dev/null 2>&1 && return
  base_image
  say "building eclipse-mosquitto:2 upon it …"
  docker build --quiet --network host --tag eclipse-mosquitto:2 - >/dev/null <<'EOF'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends mosquitto && rm -rf /var/lib/apt/lists/* \
    && install -d -o 1883 -g 1883 /mosquitto/data
EXPOSE 1883
CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
EOF
}
