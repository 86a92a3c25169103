#!/bin/sh
# The same as: @NAME@ @COMMAND@
set -e
self=$0
while [ -h "$self" ]; do
    link=$(readlink -- "$self")
    case $link in
        /*) self=$link ;;
        *) self=${self%/*}/$link ;;
    esac
done
case $self in */*) ;; *) self=$(command -v -- "$self") ;; esac
exec "${self%/*}/@NAME@" @COMMAND@ "$@"
