# syntax=docker/dockerfile:1
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && npm prune --omit=dev --ignore-scripts \
 && find node_modules/node-hl7-client/lib/types \( -name '*.map' -o -name '*.mjs' \) -delete

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
RUN groupadd --system --gid 10001 sluss \
 && useradd --system --uid 10001 --gid sluss --home-dir /data --shell /usr/sbin/nologin sluss \
 && install -d -o sluss -g sluss -m 0700 /data /config
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY mappings ./mappings
USER sluss
VOLUME ["/data", "/config"]
EXPOSE 2575 8080
# /live, as for any probe whose no ends the container: /health is 503 while a journal or a receiver is away.
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=4", "dist/cli/sluss.js"]
CMD ["run", "--config", "/config/sluss.yaml"]
