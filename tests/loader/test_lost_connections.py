"""The last answer of a broker is read even if the broker closes the connection after it."""

from __future__ import annotations

import socket

from kafka.errors import KafkaConnectionError

from loader.sources.kafka.client import received


def test_an_answer_before_the_end_of_a_connection_is_not_lost() -> None:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with ours, peer:
        assert received(ours) == (b"", None)
        peer.sendall(b"refused: wrong password")
        peer.close()
        assert received(ours) == (b"refused: wrong password", None)
        rest, error = received(ours)
        assert rest == b""
        assert isinstance(error, KafkaConnectionError)


def test_an_answer_before_a_reset_is_not_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        peer.sendall(b"refused")
        assert ours.recv(1, socket.MSG_PEEK) == b"r"
        ours.setblocking(False)
        with ours:
            assert received(ours) == (b"refused", None)
            ours.sendall(b"unread")
            peer.close()  # with unread bytes, which causes a reset
            ours.setblocking(True)
            rest, error = received(ours)
            assert rest == b""
            assert isinstance(error, KafkaConnectionError)
