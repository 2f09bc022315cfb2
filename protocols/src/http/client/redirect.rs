//! What is asked for next after a 3xx (RFC 9110, 15.4).

use http::{Method, StatusCode};

use super::{NoUrl, Url};

/// What is asked for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where.
    pub url: Url,
    /// How: GET, where it was POST and the answer is to be fetched elsewhere.
    pub method: Method,
    /// Whether the body goes along.
    pub keeps_body: bool,
    /// Whether it is another server, to which nothing secret may go along: no Authorization, no Cookie.
    pub is_elsewhere: bool,
}

/// What is asked for next; `None` if the answer is one.
///
/// # Errors
///
/// [`NoUrl`], if Location leads nowhere.
pub fn redirect(
    method: &Method,
    from: &Url,
    status: StatusCode,
    location: Option<&[u8]>,
) -> Result<Option<Redirect>, NoUrl> {
    let (Some(location), 301 | 302 | 303 | 307 | 308) = (location, status.as_u16()) else {
        return Ok(None);
    };
    let url = from.join(&String::from_utf8_lossy(location))?;
    // 301 and 302 turn POST into GET, since browsers always did; 303 turns everything but HEAD.
    let becomes_get = match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => *method != Method::HEAD,
        _ => false,
    };
    let origin = |url: &Url| (url.scheme(), url.host().to_owned(), url.port());
    let is_elsewhere = origin(&url) != origin(from);
    Ok(Some(Redirect {
        url,
        method: if becomes_get { Method::GET } else { method.clone() },
        keeps_body: !becomes_get,
        is_elsewhere,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_survives_where_it_should() {
        let from: Url = "http://h/a".parse().expect("a url");
        let next = |method: Method, status: u16| {
            let status = StatusCode::from_u16(status).expect("a status");
            let next = redirect(&method, &from, status, Some(b"/b")).expect("a url");
            next.map(|next| (next.method, next.keeps_body))
        };
        assert_eq!(next(Method::POST, 301), Some((Method::GET, false)));
        assert_eq!(next(Method::PUT, 302), Some((Method::PUT, true)));
        assert_eq!(next(Method::PUT, 303), Some((Method::GET, false)));
        assert_eq!(next(Method::HEAD, 303), Some((Method::HEAD, true)));
        assert_eq!(next(Method::POST, 307), Some((Method::POST, true)));
        assert_eq!(next(Method::POST, 308), Some((Method::POST, true)));
        assert_eq!(next(Method::GET, 304), None);
        assert_eq!(next(Method::GET, 200), None);
        let away = redirect(&Method::GET, &from, StatusCode::FOUND, Some(b"http://h:81/"));
        assert!(away.is_ok_and(|next| next.is_some_and(|next| next.is_elsewhere)));
    }
}
