//! How large an image is, and how large its thumbnails would be.

use serde_json::{Map, Value};

/// Width and height in pixels of a PNG, JPEG, GIF or WebP image; `None` for anything else. Only its head is read.
pub(crate) fn dimensions(content: &[u8]) -> Option<(u32, u32)> {
    let size = imagesize::blob_size(content).ok()?;
    let (width, height) = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

/// A thumbnail, or the file itself: which one a URL is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Size {
    File,
    Small,
    Large,
    Full,
}

impl Size {
    pub(crate) const THUMBNAILS: [Self; 3] = [Self::Small, Self::Large, Self::Full];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Small => "small",
            Self::Large => "large",
            Self::Full => "full",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::File, Self::Small, Self::Large, Self::Full].into_iter().find(|size| size.name() == name)
    }

    /// Width and height of the thumbnail of such an image: 36 high, within 512 by 512, within 3000 by 3000.
    fn of(self, (width, height): (u64, u64)) -> (u64, u64) {
        // Half a pixel and more is a pixel.
        let scaled = |side: u64, by: u64, to: u64| ((2 * side * to + by) / (2 * by)).max(1);
        let within = |most: u64| match width.max(height) {
            longer if longer <= most => (width, height),
            longer => (scaled(width, longer, most), scaled(height, longer, most)),
        };
        match self {
            Self::File => (width, height),
            Self::Small => (scaled(width, height, 36), 36),
            Self::Large => within(512),
            Self::Full => within(3000),
        }
    }
}

/// `thumbnails` of an attachment whose object has `width` and `height`; `url` gives the URL of each.
pub(super) fn thumbnails(attachment: &Map<String, Value>, url: impl Fn(Size) -> String) -> Option<Value> {
    let side =
        |key: &str| attachment.get(key)?.as_u64().filter(|side| (1..=u64::from(u32::MAX)).contains(side));
    let image = (side("width")?, side("height")?);
    let thumbnail = |size: Size| {
        let (width, height) = size.of(image);
        let object = [("url", url(size).into()), ("width", width.into()), ("height", height.into())];
        let object: Map<String, Value> =
            object.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        (size.name().to_owned(), Value::Object(object))
    };
    Some(Value::Object(Size::THUMBNAILS.into_iter().map(thumbnail).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The heads of images of 300 by 200 pixels.
    fn heads() -> Vec<(&'static str, Vec<u8>)> {
        let (width, height) = (300_u32, 200_u32);
        let png = [
            &b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..],
            &width.to_be_bytes(),
            &height.to_be_bytes(),
            b"\x08\x02\0\0\0",
        ];
        let gif = [&b"GIF89a"[..], &300_u16.to_le_bytes(), &200_u16.to_le_bytes(), b"\0\0\0"];
        let jpeg = [
            &b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08"[..],
            &200_u16.to_be_bytes(),
            &300_u16.to_be_bytes(),
            b"\x03",
        ];
        let webp = [
            &b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"[..],
            &(width - 1).to_le_bytes()[..3],
            &(height - 1).to_le_bytes()[..3],
            b"\0\0\0\0",
        ];
        vec![("png", png.concat()), ("gif", gif.concat()), ("jpeg", jpeg.concat()), ("webp", webp.concat())]
    }

    #[test]
    fn images_tell_their_size_in_their_heads() {
        for (kind, head) in heads() {
            assert_eq!(dimensions(&head), Some((300, 200)), "{kind}");
        }
    }

    #[test]
    fn what_is_no_image_or_a_broken_one_has_no_size() {
        for (kind, head) in heads() {
            for end in 0..head.len().min(20) {
                let _ = dimensions(&head[..end]);
            }
            assert_eq!(dimensions(&head[..10]), None, "{kind}");
        }
        for content in
            [&b""[..], b"hello, world", b"<svg width='3' height='4'/>", b"BM\0\0", &[0xff; 40], &[0; 40]]
        {
            assert_eq!(dimensions(content), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_content_upsets_the_reader(kind in 0..4_usize, junk: Vec<u8>, at in 4..40_usize) {
            let mut content = heads()[kind].1.clone();
            let at = at.min(content.len());
            content.splice(at.., junk);
            let _ = dimensions(&content);
        }
    }

    #[test]
    fn thumbnails_keep_the_shape_of_the_image() {
        let sizes = |width, height| Size::THUMBNAILS.map(|size| size.of((width, height)));
        assert_eq!(sizes(1280, 960), [(48, 36), (512, 384), (1280, 960)]);
        assert_eq!(sizes(3024, 6048), [(18, 36), (256, 512), (1500, 3000)]);
        assert_eq!(
            sizes(1, 1),
            [(36, 36), (1, 1), (1, 1)],
            "small ones are not made larger, but for the height"
        );
        assert_eq!(sizes(1, 10_000), [(1, 36), (1, 512), (1, 3000)], "no side is nothing");
        assert_eq!(sizes(u64::from(u32::MAX), 1)[2], (3000, 1));
    }
}
