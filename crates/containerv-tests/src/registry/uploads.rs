//! Uploads: mounted, whole or in pieces.

use containerv::spec::image::Digest;

use super::State;
use super::http::{Request, Response};

impl State {
    pub(super) fn upload(&mut self, request: &Request, name: &str, id: &str) -> Response {
        match &*request.method {
            "POST" => self.begin(request, name),
            "PATCH" | "PUT" | "GET" if self.uploads.get(id).is_none_or(|(own, _)| own != name) => {
                Response::failure(404, "BLOB_UPLOAD_UNKNOWN")
            }
            "PATCH" => self.piece(request, id),
            "PUT" => self.finish(request, name, id),
            "GET" => self.progress(id, 204),
            _ => Response::failure(405, "UNSUPPORTED"),
        }
    }

    fn begin(&mut self, request: &Request, name: &str) -> Response {
        if let (Some(digest), Some(from)) = (request.parameter("mount"), request.parameter("from")) {
            let there =
                self.repositories.get(&from).is_some_and(|repository| repository.blobs.contains(&digest));
            if there {
                self.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.clone());
                return Response::new(201).with("Docker-Content-Digest", digest);
            }
        }
        self.issued += 1;
        let id = format!("upload-{}", self.issued);
        self.uploads.insert(id.clone(), (name.to_owned(), Vec::new()));
        let begun = self.progress(&id, 202);
        match self.least_piece {
            Some(least) => begun.with("OCI-Chunk-Min-Length", least.to_string()),
            None => begun,
        }
    }

    fn piece(&mut self, request: &Request, id: &str) -> Response {
        let Some((_, bytes)) = self.uploads.get_mut(id) else {
            return Response::failure(404, "BLOB_UPLOAD_UNKNOWN");
        };
        let begin =
            request.header("content-range").and_then(|range| range.split('-').next()?.parse::<usize>().ok());
        if begin.is_some_and(|begin| begin != bytes.len()) {
            return Response::failure(416, "RANGE_INVALID");
        }
        bytes.extend_from_slice(&request.body);
        self.progress(id, 202)
    }

    fn finish(&mut self, request: &Request, name: &str, id: &str) -> Response {
        let Some((_, mut bytes)) = self.uploads.remove(id) else {
            return Response::failure(404, "BLOB_UPLOAD_UNKNOWN");
        };
        bytes.extend_from_slice(&request.body);
        let digest = Digest::of(&bytes).to_string();
        if request.parameter("digest").as_deref() != Some(&*digest) {
            return Response::failure(400, "DIGEST_INVALID");
        }
        self.blobs.insert(digest.clone(), bytes.into());
        self.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.clone());
        Response::new(201).with("Docker-Content-Digest", digest)
    }

    fn progress(&self, id: &str, status: u16) -> Response {
        let Some((name, bytes)) = self.uploads.get(id) else {
            return Response::failure(404, "BLOB_UPLOAD_UNKNOWN");
        };
        Response::new(status)
            .with("Location", format!("/v2/{name}/blobs/uploads/{id}?state=a%2Fb"))
            .with("Range", format!("0-{}", bytes.len().saturating_sub(1)))
    }
}
