# Runs cells in a kernel of its own, as the kernel runner of a cluster does, and prints the outputs of each as JSON. A cell with
# answers is a list. Its questions are outputs, too. In place of an answer, null interrupts the kernel.

import json
import sys

from jupyter_client.manager import KernelManager

# More than every step takes.
LIMIT = 120
# A cluster cuts longer messages of output, in bytes.
CUT = 10 << 20


def outputs_of(client, code):
    outputs = []
    code, *answers = code if isinstance(code, list) else [code]

    def receive(message):
        kind, content = message['msg_type'], message['content']
        if kind == 'stream':
            content['text'] = content['text'].encode()[:CUT].decode('utf-8', 'replace')
            # The kernel cuts a text where it likes.
            if outputs and outputs[-1][0] == content['name']:
                outputs[-1][1] += content['text']
            else:
                outputs.append([content['name'], content['text']])
        elif kind == 'error':
            outputs.append(['stderr', content['ename']])
            if not content['traceback']:
                outputs.append(['exit code', content['evalue']])
        elif kind in ('execute_result', 'display_data'):
            outputs.append([kind, content['data']])

    def answer(message):
        outputs.append(['asked', message['content']['prompt']])
        given = answers.pop(0)
        if given is None:
            manager.interrupt_kernel()
        else:
            client.input(given)

    # After an error a kernel otherwise drops, for a moment, the cells that it gets.
    options = dict(allow_stdin=bool(answers), stop_on_error=False, timeout=LIMIT, output_hook=receive)
    client.execute_interactive(code, stdin_hook=answer, **options)
    return outputs


# Sockets in a folder of ours: free ports may be taken by others before the kernel takes them.
manager = KernelManager(kernel_name='python3', transport='ipc')
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
try:
    client.wait_for_ready(timeout=LIMIT)
    print(json.dumps([outputs_of(client, code) for code in json.load(open(sys.argv[1], encoding='utf-8'))]))
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
