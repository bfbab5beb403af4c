"""A link between a service and its broker that tests can spoil."""

import select
import socket
import time
from contextlib import suppress
from threading import Thread


class Proxy:
    """A link on loopback that can be slow, cut, or cut in the middle of a packet.

    ``hiccups`` is the number of next connections that are closed at once; ``tears`` are the bytes after
    which this connection, and the next ones, are cut.
    """

    def __init__(self, target: int) -> None:
        self.delay_s = 0.0
        self.cut = False
        self.hiccups = 0
        self.tears: list[int] = []
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._server.accept()
            if self.cut or self.hiccups:
                self.hiccups = max(0, self.hiccups - 1)
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        left: int | None = None
        with near, far, suppress(OSError):
            while not self.cut:
                for side in select.select([near, far], [], [], 0.05)[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    time.sleep(self.delay_s)
                    if left is None and self.tears:
                        left = self.tears.pop()
                    if left is not None:
                        data, left = data[:left], left - len(data)
                    (far if side is near else near).sendall(data)
                    if left is not None and left <= 0:
                        return
