# Stands in for postgres:17-bookworm, as far as the compose file and its users can tell. The version is Debian's. The
# declared volume is where the public image has it, so that data kept elsewhere or nowhere shows here as well.
ARG BASE
FROM ${BASE}
RUN apt-get update && \
    apt-get install -y --no-install-recommends postgresql-common && \
    sed -ri 's/#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && \
    apt-get install -y --no-install-recommends postgresql && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt && \
    ln -s /usr/lib/postgresql/* /usr/lib/postgresql/installed && \
    sed -ri "s/^#?listen_addresses\s*=\s*\S+/listen_addresses = '*'/" /usr/share/postgresql/*/postgresql.conf.sample && \
    install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data && \
    install -d -o postgres -g postgres -m 3777 /var/run/postgresql
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/installed/bin \
    PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
COPY --chmod=0755 postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
