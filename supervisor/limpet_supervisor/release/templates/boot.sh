#!/bin/sh
# @NAME@, a release built by Limpet @LIMPET@. `@NAME@` with no command says what there is.
set -e

# The root, from wherever and through whatever link this was called. No process is started for it: a
# command that asks a node takes a few milliseconds, and a subshell would be one of them.
limpet_self=$0
case $limpet_self in */*) ;; *) limpet_self=$(command -v -- "$limpet_self") ;; esac
while [ -h "$limpet_self" ]; do
    limpet_link=$(readlink -- "$limpet_self")
    case $limpet_link in
        /*) limpet_self=$limpet_link ;;
        *) limpet_self=${limpet_self%/*}/$limpet_link ;;
    esac
done
limpet_here=$PWD
CDPATH= cd -P -- "${limpet_self%/*}/.."
RELEASE_ROOT=$PWD
cd -- "$limpet_here" 2>/dev/null || cd /

RELEASE_NAME=${RELEASE_NAME:-@NAME@}
if [ -z "$RELEASE_VSN" ]; then
    read -r limpet_runtime RELEASE_VSN <"$RELEASE_ROOT/releases/start_limpet.data"
fi
RELEASE_COMMAND=$1
RELEASE_PROG=${RELEASE_PROG:-${0##*/}}
LIMPET_ENV=${LIMPET_ENV:-@ENV@}
export RELEASE_ROOT RELEASE_NAME RELEASE_VSN RELEASE_COMMAND RELEASE_PROG LIMPET_ENV

limpet_version=$RELEASE_ROOT/releases/$RELEASE_VSN
if [ ! -r "$limpet_version/boot.data" ]; then
    echo "ERROR: There is no version $RELEASE_VSN of $RELEASE_NAME in $RELEASE_ROOT/releases" >&2
    exit 1
fi
read -r limpet_runtime limpet_limpet limpet_machine limpet_linker limpet_libc <"$limpet_version/boot.data"

# The host's Python has no say in here; env.sh may give PYTHONPATH a new one.
unset PYTHONHOME PYTHONPATH
PYTHONNOUSERSITE=1
PYTHONDONTWRITEBYTECODE=1
export PYTHONNOUSERSITE PYTHONDONTWRITEBYTECODE
. "$limpet_version/env.sh"

RELEASE_NODE=${RELEASE_NODE:-$RELEASE_NAME}
RELEASE_MODE=${RELEASE_MODE:-embedded}
RELEASE_DISTRIBUTION=${RELEASE_DISTRIBUTION:-sname}
case $RELEASE_DISTRIBUTION in
    sname | name | none) ;;
    *)
        echo "ERROR: Expected sname, name, or none in RELEASE_DISTRIBUTION, got: $RELEASE_DISTRIBUTION" >&2
        exit 1
        ;;
esac
export RELEASE_NODE RELEASE_MODE RELEASE_DISTRIBUTION
[ -z "${RELEASE_COOKIE+set}" ] || export RELEASE_COOKIE
[ -z "${RELEASE_TMP+set}" ] || export RELEASE_TMP

if [ "$1" = version ] && [ $# = 1 ]; then
    echo "$RELEASE_NAME $RELEASE_VSN"
    exit 0
fi

limpet_python=$RELEASE_ROOT/lib/@NAME@-$RELEASE_VSN/bin/python
if [ ! -e "$limpet_linker" ]; then
    echo "ERROR: $RELEASE_NAME $RELEASE_VSN was built for $limpet_machine and $limpet_linker, which this machine ($(uname -m)) does not have" >&2
    exit 1
fi
if [ ! -x "$limpet_python" ]; then
    echo "ERROR: $RELEASE_NAME $RELEASE_VSN needs the Python at $(readlink -f -- "$limpet_python" || echo "$limpet_python"), which is not there" >&2
    exit 1
fi
case $1 in
    start | start_iex | console | daemon | daemon_iex | eval | check)
        # Not known everywhere: then the linker will tell.
        limpet_here=$(getconf GNU_LIBC_VERSION 2>/dev/null) || limpet_here=
        limpet_here=${limpet_here#* }
        if [ -n "$limpet_here" ] && [ "$limpet_libc" != - ]; then
            if [ "${limpet_here%%.*}" -lt "${limpet_libc%%.*}" ] || {
                [ "${limpet_here%%.*}" = "${limpet_libc%%.*}" ] && [ "${limpet_here#*.}" -lt "${limpet_libc#*.}" ]
            }; then
                echo "ERROR: $RELEASE_NAME $RELEASE_VSN was built with glibc $limpet_libc; this machine has $limpet_here. Build it on the older system" >&2
                exit 1
            fi
        fi
        ;;
esac

exec "$limpet_python" -I -S -c \
    'import sys; sys.path.insert(0, sys.argv.pop(1)); from limpet_shell.cli import main; sys.exit(main())' \
    "$RELEASE_ROOT/limpet-$limpet_limpet" "$@"
