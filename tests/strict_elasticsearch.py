"""An Elasticsearch that says no, for the tests that ask for it: one for the whole run, started when the first of them
does. Under ``CI=true`` a missing prerequisite fails; elsewhere those tests skip."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import httpx
import pytest
import trustme

from sluice.dev.servers.prerequisites import missing_prerequisites
from sluice.dev.servers.secured_elasticsearch import SecuredElasticsearch, Security, start_secured_elasticsearch

USERS = {"admin": "admin-password", "writer": "writer-password", "reader": "reader-password"}
_ROLES = {"writer": "sluice_writer", "reader": "sluice_reader"}
_DEFINITIONS = """
sluice_writer:
  cluster: ["manage_index_templates", "monitor"]
  indices: [{names: ["t*"], privileges: ["create_doc", "auto_configure", "view_index_metadata"]}]
sluice_reader:
  cluster: ["monitor"]
  indices: [{names: ["t*"], privileges: ["read", "view_index_metadata"]}]
"""


@dataclass(frozen=True, slots=True)
class StrictElasticsearch:
    """The node, and what its certificate comes from."""

    server: SecuredElasticsearch
    authority: trustme.CA
    certificate: trustme.LeafCert

    @property
    def ca_fingerprint(self) -> str:
        return sha256(ssl.PEM_cert_to_DER_cert(self.authority.cert_pem.bytes().decode())).hexdigest()

    @property
    def own_fingerprint(self) -> str:
        return sha256(ssl.PEM_cert_to_DER_cert(self.certificate.cert_chain_pems[0].bytes().decode())).hexdigest()

    def client(self) -> httpx.AsyncClient:
        """As somebody who may do everything."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        auth = ("admin", USERS["admin"])
        return httpx.AsyncClient(base_url=self.server.url, auth=auth, verify=context, timeout=30)


@pytest.fixture(scope="session")
def strict_elasticsearch() -> Iterator[StrictElasticsearch]:
    """Over TLS, with users, and limits that are soon met; ten seconds to start."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain = b"".join(part.bytes() for part in (*certificate.cert_chain_pems, authority.cert_pem))
    security = Security(chain.decode(), certificate.private_key_pem.bytes().decode(), USERS, _ROLES, _DEFINITIONS)
    if missing := missing_prerequisites():
        if os.environ.get("CI") == "true":  # noqa: TID251 - settings are not read in tests
            pytest.fail("; ".join(missing), pytrace=False)
        pytest.skip("; ".join(missing))
    with start_secured_elasticsearch(security) as server:
        yield StrictElasticsearch(server, authority, certificate)
