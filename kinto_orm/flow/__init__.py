"""
The kernel: algorithms that do no I/O.

Whatever talks to a server is written once, as a generator: it *yields* the step that it wants
made (a request, a pause, the time), is *sent* what came of it, and *returns* its result.  Who
waits, and how, is decided outside, by the driver that runs it:

- `Blocking` on the calling thread,
- `Awaiting` in an event loop,
- `Recording` not at once, but together with others, in a batch.

What goes around an operation is a flow as well: retries (`retrying`), batches (`together`), a dry
run.  None of them knows a socket, so that each is tested with plain values.

A flow makes one request at a time.  That is on purpose: writes to one bucket must not be
parallel (docs/protocol.md, B4), reads that belong together fit in one batch or one filter, and a
page names the next.  Many *operations* may run at the same time on one client: from several
threads if it blocks, from several tasks if it awaits.
"""

from kinto_orm.flow.around import collected as collected
from kinto_orm.flow.around import consumed as consumed
from kinto_orm.flow.drivers import Awaiting as Awaiting
from kinto_orm.flow.drivers import Blocking as Blocking
from kinto_orm.flow.drivers import Recording as Recording
from kinto_orm.flow.messages import Call as Call
from kinto_orm.flow.messages import Document as Document
from kinto_orm.flow.messages import Flow as Flow
from kinto_orm.flow.messages import Form as Form
from kinto_orm.flow.messages import Headers as Headers
from kinto_orm.flow.messages import Now as Now
from kinto_orm.flow.messages import Page as Page
from kinto_orm.flow.messages import Program as Program
from kinto_orm.flow.messages import Request as Request
from kinto_orm.flow.messages import Response as Response
from kinto_orm.flow.messages import Sleep as Sleep
from kinto_orm.flow.messages import Stream as Stream
from kinto_orm.flow.messages import Work as Work
from kinto_orm.flow.operations import operation as operation
from kinto_orm.flow.operations import stream as stream
from kinto_orm.flow.pending import Pending as Pending
from kinto_orm.flow.retrying import Pacing as Pacing
from kinto_orm.flow.retrying import RetryPolicy as RetryPolicy
from kinto_orm.flow.retrying import retrying as retrying
from kinto_orm.flow.rounds import together as together
