"""Stage 1: evaluation and inspection inside a process that runs.

The daemon reads these files as data and sends them to an agent at the first attach, so that they are always
of the daemon's own version. `wire` is executed at once, with all that it imports; the others when they are
first needed (see `loading`). They import each other relatively, in lines of their own, and run as
`_limpet_stage1.*`. Standard library only, Python 3.11 and later.

natives     the interpreter's own threads and locks, whatever gevent has put in their place
masking     which values are secrets and never shown
render      values as text: bounded, and safe from objects that bite
static      what can be known of an object without running any of its code
signatures  signatures of what can be called, read without running any of its code
places      where functions and classes are written, and their lines
view        what a look found: rows for a machine, a table for a person
output      what evaluated code prints goes to the console, what the application prints stays its own
names       free names that are modules are imported, as modules load themselves on the BEAM
source      completeness, and compilation of a block with its last expression's value
frames      where code is, its lines, its variables, without leaving a trace
futures     asyncio's futures and tasks, read past what a subclass puts in the way
importlocks the import system's locks, given back after an interruption
loglocks    logging's locks, given back after an interruption
ownlocks    Limpet's own locks, given back after an interruption
interrupt   an exception shot into evaluated code and nowhere else
loops       running asyncio loops and their tasks
jobs        sessions, and one evaluation in them
awaits      what a task awaits, and who awaits it
numbers     numbers for objects that have no name
creation    where tasks come from, recorded while a session wants it
threads     raw threads with the application's signal mask and a name
threadlist  looks: threads, stacks
tasks       looks: tasks, task
taskcontrol tools: cancel, trace_tasks
heap        looks: types, gc_stats; the collector's objects in slices
greenlets   look: greenlets
growth      tools: growth, allocations, collect
referrers   look: instances; tool: refs
memory      look: mem; the limits of memory
sockets     looks: fds, sockets
timers      looks: timers, loop
facts       looks: environ, modules, runtime_info
sketch      values with what they hold, for places where the application's own threads would run their code
bytecode    calls put into a function's bytecode, for CPython 3.11
probes      what tools hear of calls and lines, in the application's own threads
monitoring  probes by sys.monitoring, 3.12 and later
injection   probes by calls in the bytecode, 3.11
predicates  conditions of probes
targets     which functions and lines a text names
hits        what probes find: counted, limited, printed
trace       tool: trace
snapshot    tool: snapshot
watch       tool: watch
sampler     tool: profile; where the process spends its time, sampled from inside
tids        the kernel's numbers of threads, also of those that threading does not know
bodies      what differs between two versions of a module's code
patch       tools: patch, undo, lingering
joblist     look: jobs; tools: kill_job, v
inspection  h, i, src: what one object is
vitals      loop lag, waits for the GIL, pauses of the collector: only while they are wanted
loading     modules that are executed when they are first needed
looks       the table of all that a session finds by its name
services    what works beside evaluations, once it is asked for: checks, levels, vitals, samplings
tracebacks  what evaluated code raised, without our own frames
onloop      code that awaits, as a task on the application's loop
evaluate    evaluations from request to answer: deadline, interruption, abandonment
resolving   names followed to objects, as far as that runs none of the application's code
hints       the signature of the call, and what a name stands for, while one types
complete    completion that runs none of the application's code
levels      levels of loggers, changed for a while and put back
channel     frames out: bounded, never blocking
checks      runs the application's health checks
reports     what the application has for the daemon: checks, metrics, failures of telemetry
samplings   profiles that the daemon asks for, where it may not look from outside
tracing     the daemon's right to look at the process from outside
wire        requests in: `start`, `handle`, `tick`, `stop`, what stage 0 calls
"""
