//! Who is let in: basic authentication, or tokens as of the distribution project's authorization server.

use std::collections::BTreeSet;

use super::State;
use super::http::{Request, Response};

/// The user that is known.
pub const USER: &str = "user";
/// The user's password.
pub const PASSWORD: &str = "pass:word";
/// What is given for the password, and taken in its place.
pub const REFRESH_TOKEN: &str = "identity+/=token";

/// `user:pass:word` in base 64.
const BASIC: &str = "Basic dXNlcjpwYXNzOndvcmQ=";

/// Who is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    #[default]
    Everybody,
    /// Who has the password.
    Basic,
    /// Who has a token, which everybody gets to pull and who has the password to push. The server that gives them
    /// is at this origin (`/token`); empty for the registry itself.
    Token(String),
    /// The same, of a private registry: without the password, nobody gets one.
    PrivateToken(String),
}

impl State {
    /// Refuses who may not do this; nothing if it may.
    pub(super) fn refuse(&self, request: &Request, own_origin: &str) -> Option<Response> {
        let given = request.header("authorization").unwrap_or_default();
        let challenge =
            |text: String| Some(Response::failure(401, "UNAUTHORIZED").with("WWW-Authenticate", text));
        match &self.access {
            Access::Everybody => None,
            Access::Basic if given == BASIC => None,
            Access::Basic => challenge("Basic realm=\"registry\"".to_owned()),
            Access::Token(origin) | Access::PrivateToken(origin) => {
                let wanted = scope(request);
                let token = given.strip_prefix("Bearer ").and_then(|token| self.tokens.get(token));
                let enough = token.is_some_and(|granted| wanted.iter().all(|scope| covered(granted, scope)));
                if enough {
                    return None;
                }
                let origin = if origin.is_empty() { own_origin } else { origin };
                let scope = wanted.join(" ");
                let scope = if scope.is_empty() { String::new() } else { format!(",scope=\"{scope}\"") };
                challenge(format!("Bearer realm=\"{origin}/token\",service=\"test registry\"{scope}"))
            }
        }
    }

    /// Gives a token.
    pub(super) fn token(&mut self, request: &Request) -> Response {
        let refresh = request.parameter("refresh_token");
        let given = request.header("authorization");
        let known = given == Some(BASIC) || refresh.as_deref() == Some(REFRESH_TOKEN);
        let wrong = !known && (given.is_some() || refresh.is_some());
        if wrong || !known && matches!(self.access, Access::PrivateToken(_)) {
            return Response::failure(401, "UNAUTHORIZED");
        }
        let asked = request.parameters("scope");
        let scopes = asked.iter().flat_map(|scope| scope.split([' ', '+'])).map(str::to_owned);
        let granted: BTreeSet<String> =
            scopes.map(|scope| if known { scope } else { scope.replace("pull,push", "pull") }).collect();
        self.issued += 1;
        let token = format!("token-{}", self.issued);
        self.tokens.insert(token.clone(), granted);
        let mut answer = serde_json::json!({"token": token, "expires_in": 300});
        if request.parameter("offline_token").is_some() {
            answer["refresh_token"] = REFRESH_TOKEN.into();
        }
        Response::json(&answer)
    }
}

/// What a request needs.
fn scope(request: &Request) -> Vec<String> {
    let rest = request.path().strip_prefix("/v2/").unwrap_or_default();
    if rest == "_catalog" {
        return vec!["registry:catalog:*".to_owned()];
    }
    let name = ["/blobs/", "/manifests/", "/tags/"]
        .iter()
        .find_map(|part| rest.rsplit_once(part))
        .map(|(name, _)| name);
    let Some(name) = name else { return Vec::new() };
    let actions = if matches!(&*request.method, "GET" | "HEAD") { "pull" } else { "pull,push" };
    let mut scopes = vec![format!("repository:{}:{actions}", name.trim_end_matches("/blobs"))];
    scopes.extend(request.parameter("from").map(|from| format!("repository:{from}:pull")));
    scopes
}

fn covered(granted: &BTreeSet<String>, scope: &str) -> bool {
    granted.contains(scope) || granted.contains(&format!("{scope},push"))
}
