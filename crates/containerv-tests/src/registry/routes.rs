//! The distribution API.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use containerv::spec::image::Digest;

use super::fault::Fault;
use super::http::{Request, Response};
use super::{Line, Shared, State};

/// Answers the requests of a connection.
pub(super) fn serve(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    while let Some(request) = Request::read(&mut reader)? {
        if shared.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        shared.busy.fetch_add(1, Ordering::SeqCst);
        let answered = answer(connection, shared, &request);
        shared.busy.fetch_sub(1, Ordering::SeqCst);
        if !answered? {
            return Ok(());
        }
    }
    let mut out = connection;
    out.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Answers a request; says whether the connection goes on.
fn answer(connection: &TcpStream, shared: &Shared, request: &Request) -> io::Result<bool> {
    let own_origin = format!("http://{}", connection.local_addr()?);
    let (fault, response) = {
        let mut state = shared.state();
        let fault = state.fault(request);
        // A request that fails is not done.
        let response = match &fault {
            Some(Fault::Status(..) | Fault::Hangup | Fault::Garbage) => Response::new(200),
            _ => state.answer(request, &own_origin, matches!(fault, Some(Fault::WholeContent))),
        };
        (fault, response)
    };
    let response = match &fault {
        Some(fault) => fault.change(response),
        None => response,
    };
    let written = match &fault {
        Some(fault) => fault.write(connection, &response),
        None => write(connection, &response, request.method == "HEAD"),
    };
    let header = |name: &str| request.header(name).map(str::to_owned);
    let line = Line {
        method: request.method.clone(),
        target: request.target.clone(),
        authorization: request
            .header("authorization")
            .and_then(|text| text.split(' ').next())
            .map(str::to_owned),
        range: header("range").or_else(|| header("content-range")),
        team: header("x-meta-team"),
        host: header("host").unwrap_or_default(),
        status: response.status,
        sent: written.as_ref().map_or(0, |(sent, _)| *sent),
    };
    shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    written.map(|(_, goes_on)| goes_on)
}

fn write(mut out: &TcpStream, response: &Response, head_only: bool) -> io::Result<(u64, bool)> {
    response.write_head(out, response.body.len() as u64)?;
    if head_only {
        return Ok((0, true));
    }
    out.write_all(&response.body)?;
    Ok((response.body.len() as u64, true))
}

impl State {
    fn answer(&mut self, request: &Request, own_origin: &str, whole: bool) -> Response {
        if request.path() == "/token" {
            return self.token(request);
        }
        if let Some(refusal) = self.refuse(request, own_origin) {
            return refusal;
        }
        let Some(rest) = request.path().strip_prefix("/v2/") else {
            return Response::failure(404, "NOT_FOUND");
        };
        match rest {
            "" => Response::json(&serde_json::json!({})),
            "_catalog" => {
                let names = self.repositories.keys().cloned().collect();
                self.list(request, "repositories", names)
            }
            _ => self.in_repository(request, rest, whole),
        }
    }

    fn in_repository(&mut self, request: &Request, rest: &str, whole: bool) -> Response {
        if let Some((name, id)) = rest.rsplit_once("/blobs/uploads/") {
            return self.upload(request, name, id);
        }
        if let Some((name, digest)) = rest.rsplit_once("/blobs/") {
            return self.send_blob(request, name, digest, whole);
        }
        if let Some((name, which)) = rest.rsplit_once("/manifests/") {
            return self.manifest(request, name, which);
        }
        match rest.strip_suffix("/tags/list").and_then(|name| self.repositories.get(name)) {
            Some(repository) => {
                let tags = repository.tags.keys().cloned().collect();
                self.list(request, "tags", tags)
            }
            None => Response::failure(404, "NAME_UNKNOWN"),
        }
    }

    fn send_blob(&self, request: &Request, name: &str, digest: &str, whole: bool) -> Response {
        let there = self.repositories.get(name).is_some_and(|repository| repository.blobs.contains(digest));
        let Some(bytes) = self.blobs.get(digest).filter(|_| there) else {
            return Response::failure(404, "BLOB_UNKNOWN");
        };
        if let Some(origin) = &self.blobs_elsewhere {
            return Response::new(307).with("Location", format!("{origin}{}", request.path()));
        }
        let response = Response::new(200)
            .with("Content-Type", "application/octet-stream")
            .with("Docker-Content-Digest", digest);
        let begin = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        match begin.filter(|_| !whole) {
            Some(begin) if begin < bytes.len() => {
                let range = format!("bytes {begin}-{}/{}", bytes.len() - 1, bytes.len());
                Response { status: 206, ..response }.with("Content-Range", range).body(&bytes[begin..])
            }
            Some(_) => Response::failure(416, "RANGE_INVALID"),
            None => response.body(bytes.to_vec()),
        }
    }

    fn manifest(&mut self, request: &Request, name: &str, which: &str) -> Response {
        if request.method == "PUT" {
            let kind = request.header("content-type").unwrap_or_default().to_owned();
            let digest = Digest::of(&request.body).to_string();
            let repository = self.repositories.entry(name.to_owned()).or_default();
            repository.manifests.insert(digest.clone(), (kind, request.body.clone().into()));
            if which != digest {
                repository.tags.insert(which.to_owned(), digest.clone());
            }
            return Response::new(201).with("Docker-Content-Digest", digest);
        }
        let found = self.repositories.get(name).and_then(|repository| {
            let digest = repository.tags.get(which).map_or(which, |digest| digest);
            repository.manifests.get(digest).map(|found| (digest.to_owned(), found))
        });
        match found {
            Some((digest, (kind, bytes))) => Response::new(200)
                .with("Content-Type", kind.clone())
                .with("Docker-Content-Digest", digest)
                .body(bytes.to_vec()),
            None => Response::failure(404, "MANIFEST_UNKNOWN"),
        }
    }

    fn list(&self, request: &Request, what: &str, names: Vec<String>) -> Response {
        let after = request.parameter("last");
        let left: Vec<String> =
            names.into_iter().filter(|name| after.as_ref().is_none_or(|last| name > last)).collect();
        let page: Vec<String> = left.iter().take(self.page.unwrap_or(usize::MAX)).cloned().collect();
        let response = Response::json(&serde_json::json!({"name": "x", what: page}));
        match page.last().filter(|_| page.len() < left.len()) {
            Some(last) => {
                response.with("Link", format!("<{}?last={last}&n=2>; rel=\"next\"", request.path()))
            }
            None => response,
        }
    }
}
