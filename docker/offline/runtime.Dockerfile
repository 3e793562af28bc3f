# Stands in for gcr.io/distroless/cc-debian12:nonroot: the C library, the CA bundle, a user; neither a shell nor a tool.
ARG BASE
FROM ${BASE} AS files
RUN apt-get update && apt-get install -y --no-install-recommends libgcc-s1 && \
    mkdir -p /files/etc/ssl/certs /files/home/nonroot /files/tmp && \
    ln -s usr/lib /files/lib && ln -s usr/lib64 /files/lib64 && mkdir -p /files/usr/lib64 && \
    dpkg -L libc6 libgcc-s1 | grep -v /gconv/ | grep -E '/ld-linux[^/]*$|\.so(\.[0-9]+)*$' | \
      sed -E 's#^/lib#/usr/lib#' | sort -u | xargs -I{} cp -a --parents {} /files && \
    cp -a --parents /usr/share/doc/libc6/copyright /usr/share/doc/libgcc-s1/copyright /files && \
    cp /etc/ssl/certs/ca-certificates.crt /files/etc/ssl/certs/ && \
    cp /etc/nsswitch.conf /etc/os-release /files/etc/ && \
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >/files/etc/passwd && \
    printf 'root:x:0:\nnonroot:x:65532:\n' >/files/etc/group && \
    chown 65532:65532 /files/home/nonroot && chmod 700 /files/home/nonroot && chmod 1777 /files/tmp

FROM scratch
COPY --from=files /files/ /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /home/nonroot
