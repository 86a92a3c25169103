# Sourced by bin/@NAME@ on every command, with RELEASE_ROOT, RELEASE_NAME, RELEASE_VSN, RELEASE_COMMAND and
# RELEASE_PROG set, and the command's arguments in "$@". Nothing is read twice: what is set here holds.
#
# case $RELEASE_COMMAND in
#     start | daemon) export POOL_SIZE=20 ;;
# esac
