/** Owns the image that the containers run: busybox and the probe, packed as an OCI archive. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildRootfs, scratchDirectory } from "../../harness/scratch.ts";

/** Name of the image once imported. */
export const imageName = "e2e/busybox:latest";

const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
};

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

function addBlob(layout: string, mediaType: string, content: Buffer): Descriptor {
  const hash = createHash("sha256").update(content).digest("hex");
  writeFileSync(join(layout, "blobs", "sha256", hash), content);
  return { mediaType, digest: `sha256:${hash}`, size: content.length };
}

function addJson(layout: string, mediaType: string, value: unknown): Descriptor {
  return addBlob(layout, mediaType, Buffer.from(JSON.stringify(value)));
}

/** One image of an archive: all share the file system. */
export interface Image {
  readonly name: string;
  /** The `config` member of its configuration. */
  readonly config: Readonly<Record<string, unknown>>;
}

const environment = ["PATH=/bin:/usr/bin", "IMAGE=e2e"];

/** What `ctr` runs. */
const shellImage: Image = {
  name: imageName,
  config: { Env: environment, Cmd: ["sh"], WorkingDir: "/" },
};

function addManifest(layout: string, layer: Descriptor, { name, config }: Image) {
  const settings = addJson(layout, mediaTypes.config, {
    architecture: { x64: "amd64", arm64: "arm64" }[process.arch as string] ?? process.arch,
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = addJson(layout, mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: settings,
    layers: [layer],
  });
  return { ...manifest, annotations: { "io.containerd.image.name": name } };
}

/** Writes the archive and returns its path. `edit` changes the file system first. */
export function buildImage(
  images: readonly Image[] = [shellImage],
  edit: (rootfs: string) => void = () => undefined,
): string {
  const work = scratchDirectory("image");
  const rootfs = buildRootfs(join(work, "rootfs"));
  edit(rootfs);
  const layout = join(work, "layout");
  mkdirSync(join(layout, "blobs", "sha256"), { recursive: true });
  const layerFile = join(work, "layer.tar");
  execFileSync("tar", ["--numeric-owner", "-C", rootfs, "-cf", layerFile, "."]);
  const layer = addBlob(layout, mediaTypes.layer, readFileSync(layerFile));
  const manifests = images.map((image) => addManifest(layout, layer, image));
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
  writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  const archive = join(work, "image.tar");
  execFileSync("tar", ["-C", layout, "-cf", `${archive}.new`, "."]);
  renameSync(`${archive}.new`, archive);
  return archive;
}
