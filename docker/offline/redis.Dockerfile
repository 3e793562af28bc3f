# Stands in for redis:7-bookworm, as far as the compose file and its users can tell.
ARG BASE
FROM ${BASE}
RUN apt-get update && \
    apt-get install -y --no-install-recommends redis-server && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt && \
    mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
COPY --chmod=0755 redis-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 6379
CMD ["redis-server"]
