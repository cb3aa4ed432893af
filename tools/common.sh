# Shared by the scripts in tools/ and bench/: finds the clone, checks Swift, installs what is missing.
# To be sourced by bash. Each function ends the script with a clear message and an exit code of sysexits(3) if it must.

# The clone's own folder, whatever folder the script is called from and through whatever link.
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)

swift_minimum=6.2

# complain WORD... : one line on stderr, in the name of the script that runs.
complain() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# use_scratch : sets $scratch to a new folder with a short path (unix sockets allow 107 bytes) that remove_scratch
# removes. All temporary files of what we run go there, whether their makers tidy up or not.
use_scratch() {
  mkdir -p "$root/.build/home"
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/openclaw-bus.XXXXXX")
  export TMPDIR=$scratch
}
remove_scratch() { if [[ -n ${scratch-} ]]; then rm -rf "$scratch"; fi; }

# run_swift WORD... and run_swiftc WORD... : swift and its compiler, with their caches and settings inside the clone
# instead of the home folder. CFFIXED_USER_HOME is what Foundation, which the package manager is built on, asks for the
# home folder; it does not look at HOME.
run_swift() { at_home swift "$@"; }
run_swiftc() { at_home swiftc "$@"; }
at_home() {
  local home=$root/.build/home
  HOME=$home CFFIXED_USER_HOME=$home XDG_CACHE_HOME=$home/.cache "$@" </dev/null
}

# require_swift : exit 69 unless a Swift of at least $swift_minimum is on the PATH, and the linker of the release builds
# (Package.swift) where the compiler looks for it: beside itself, or on the PATH.
require_swift() {
  local how="Install Swift $swift_minimum or newer as https://www.swift.org/install says, put it on the PATH, and run this again."
  if ! command -v swift >/dev/null; then
    complain "Swift is missing: the programs are written in it and are built on this machine. $how"
    exit 69
  fi
  local version
  version=$(run_swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\(\.[0-9][0-9]*\)*\).*/\1/p' | head -n 1)
  if [[ -z $version ]]; then
    complain "$(command -v swift) is there but does not run ('swift --version' names no version). $how"
    exit 69
  fi
  if [[ $(printf '%s\n' "$swift_minimum" "$version" | sort -V | head -n 1) != "$swift_minimum" ]]; then
    complain "Swift $version is too old: this package needs $swift_minimum or newer. $how"
    exit 69
  fi
  local beside
  beside=$(swift_programs)
  if [[ ! -x $beside/ld.lld ]] && ! command -v ld.lld >/dev/null; then
    complain "ld.lld is missing, with which clawq and clawsend are linked. The downloads of https://www.swift.org/install" \
      "have it beside swift (here: $beside); with another Swift, install it (Debian: apt-get install lld)."
    exit 69
  fi
}

# swift_programs : the folder of the compiler's own programs, also where `swift` on the PATH is a link or a launcher.
swift_programs() {
  local resources
  resources=$(run_swift -print-target-info 2>/dev/null | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
  if [[ $resources == */lib/swift ]]; then
    printf '%s\n' "${resources%/lib/swift}/bin"
  else
    dirname "$(readlink -f "$(command -v swift)")"
  fi
}

# install_packages PACKAGE... : installs Debian packages, as root or with sudo. Asks no question.
install_packages() {
  local as_root=()
  if ! command -v apt-get >/dev/null; then
    complain "this is not a Debian system (no apt-get). Please install the equivalent of: $*"
    exit 69
  fi
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      complain "these Debian packages are missing and installing them needs root or sudo: $*"
      exit 69
    fi
    as_root=(sudo)
  fi
  echo "Installing Debian packages: $*"
  local log
  mkdir -p "$root/.build"
  log=$(mktemp "$root/.build/apt.XXXXXX")
  if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"; } \
    >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    complain "could not install: $*"
    exit 69
  fi
  rm -f "$log"
}

# find_redis_server : sets $redis_server to a program that runs a Redis server; false when there is none.
#
# Debian's package `redis-server` would start a system service on port 6379, which nobody asked for. Its program,
# though, is only a link to `redis-check-rdb` of the package `redis-tools`: one binary that looks at the name it is
# called by. So we install `redis-tools`, which starts nothing, and make the link in the clone.
find_redis_server() {
  redis_server=$(command -v redis-server) && return
  local binary
  binary=$(command -v redis-check-rdb) || return 1
  mkdir -p "$root/.build/bin"
  ln -sfn "$binary" "$root/.build/bin/redis-server"
  redis_server=$root/.build/bin/redis-server
  "$redis_server" --version >/dev/null 2>&1
}

# need_redis : $redis_server and redis-cli, installed when missing.
need_redis() {
  if ! find_redis_server || ! command -v redis-cli >/dev/null; then
    install_packages redis-tools
    hash -r
    if ! find_redis_server; then
      complain "no redis-server to be found, also after installing redis-tools"
      exit 69
    fi
  fi
}

# need_openssl : the headers of the one library that clawd is built on; the library itself is in every Debian.
need_openssl() {
  [[ -e /usr/include/openssl/ssl.h ]] || install_packages libssl-dev
}

# need_fault_tools : the openssl command, which makes the certificates of tests and bench, and ip, which makes the networks in
# which packets vanish.
need_fault_tools() {
  local missing=()
  command -v openssl >/dev/null || missing+=(openssl)
  [[ -x /sbin/ip || -x /usr/sbin/ip ]] || command -v ip >/dev/null || missing+=(iproute2)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
}

# need_readelf : looks into the programs' headers in the tests.
need_readelf() {
  command -v readelf >/dev/null || install_packages binutils
}

# need_valgrind : looks at every access of a run.
need_valgrind() {
  command -v valgrind >/dev/null || install_packages valgrind
}

# need_python : Python packages of tools/requirements.txt in $root/.venv, as $python. Debian forbids pip to install
# into the system (PEP 668), so there is no way but a virtual environment.
need_python() {
  local wanted=$root/tools/requirements.txt stamp=$root/.venv/requirements.txt missing=()
  python=$root/.venv/bin/python
  if "$python" -c '' 2>/dev/null && cmp -s "$wanted" "$stamp"; then return; fi
  command -v python3 >/dev/null || missing+=(python3)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
  echo "Installing the Python packages of tools/requirements.txt into .venv"
  rm -rf "$root/.venv"
  if ! { python3 -m venv "$root/.venv" &&
    "$python" -m pip install --quiet --no-cache-dir --disable-pip-version-check -r "$wanted"; } >&2; then
    complain "could not make the virtual environment .venv with the packages of tools/requirements.txt"
    exit 69
  fi
  cp "$wanted" "$stamp"
}

# need_c_peers : compilers for the C and C++ programs in bench/peers, and the libraries they use.
need_c_peers() {
  local missing=()
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  command -v g++ >/dev/null || missing+=(g++)
  [[ -e /usr/include/hiredis/hiredis.h ]] || missing+=(libhiredis-dev)
  [[ -e /usr/include/boost/lockfree/spsc_queue.hpp ]] || missing+=(libboost-dev)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
}

# forget_environment : the caller's own bus must neither be read nor written to.
forget_environment() {
  local name
  unset UPSTASH_REDIS_URL LOCAL_AGENT_NAME TELEGRAM_GROUP_ID TELEGRAM_BOT_TOKEN REDISCLI_AUTH NOTIFY_SOCKET
  for name in "${!OPENCLAW_BUS_@}"; do unset "$name"; done
}
