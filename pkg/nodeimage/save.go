package nodeimage

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/progress"
)

// config is the configuration of an image, as docker load reads it.
type config struct {
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Created      time.Time `json:"created"`
	Config       struct {
		Entrypoint []string            `json:"Entrypoint"`
		Env        []string            `json:"Env"`
		Labels     map[string]string   `json:"Labels"`
		StopSignal string              `json:"StopSignal"`
		Volumes    map[string]struct{} `json:"Volumes"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

func imageConfig(b *builder) config {
	c := config{Architecture: runtime.GOARCH, OS: "linux"}
	c.Config.Entrypoint = []string{"/usr/local/bin/mkube-node-init"}
	c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "KUBECONFIG=/etc/kubernetes/admin.conf"}
	c.Config.StopSignal = "SIGRTMIN+3" // the signal for "halt" of systemd
	// An overlay cannot be stacked on an overlay, so the layers of containers need a volume.
	c.Config.Volumes = map[string]struct{}{"/var": {}}
	c.Config.Labels = map[string]string{
		names.LabelKubernetes:    b.versions.Kubernetes,
		names.LabelEtcd:          b.versions.Etcd,
		names.LabelCoreDNS:       b.versions.CoreDNS,
		names.LabelPause:         b.versions.Pause,
		names.LabelLocalPath:     b.versions.LocalPath,
		names.LabelMetricsServer: b.versions.MetricsServer,
	}
	c.RootFS.Type = "layers"
	return c
}

// archive writes the image as docker save would: layers, configuration, manifest.
// go-containerregistry is not used, because its tarball.Write compresses every layer, twice with the
// pass for the digest. docker load would only decompress them again.
//
// Each layer is written twice: first to compute its size and digest, and then into the archive.
func (b *builder) archive(w io.Writer, inputs string, layers []layer) error {
	b.event(progress.Event{Step: b.product(), State: progress.Running, Detail: "computing the digests of the layers"})
	meter := &progress.Meter{On: b.event, Steps: []string{b.product()}}
	c := imageConfig(b)
	c.Created = time.Now().UTC()
	c.Config.Labels[names.LabelInputs] = inputs
	headers := make([]*tar.Header, len(layers))
	for i, l := range layers {
		size, diff, err := l.measure()
		if err != nil {
			return fmt.Errorf("writing layer %s: %w", l.name, err)
		}
		if l.name == partsLayer {
			c.Config.Labels[names.LabelParts] = diff
		}
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, diff)
		headers[i] = &tar.Header{Name: l.name + ".tar", Mode: 0o644, Size: size, ModTime: epoch}
		meter.Total += size
	}
	out := tar.NewWriter(meter.Writer(w))
	var files []string
	for i, l := range layers {
		if err := errors.Join(out.WriteHeader(headers[i]), l.write(out)); err != nil {
			return fmt.Errorf("writing layer %s: %w", l.name, err)
		}
		files = append(files, headers[i].Name)
	}
	if err := addManifest(out, c, b.Tag, files); err != nil {
		return err
	}
	b.event(progress.Event{Step: b.product(), State: progress.Running, Detail: "the daemon unpacks the layers", Bytes: meter.Bytes()})
	return nil
}

// measure returns the size of a layer in bytes, and its digest.
func (l layer) measure() (size int64, diff string, err error) {
	hash := sha256.New()
	written := new(counter)
	err = l.write(io.MultiWriter(hash, written))
	return int64(*written), "sha256:" + hex.EncodeToString(hash.Sum(nil)), err
}

// addManifest writes the end of an image archive: the configuration and the manifest.
func addManifest(out *tar.Writer, c config, tag string, layers []string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	configFile := hex.EncodeToString(sum[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configFile, "RepoTags": []string{tag}, "Layers": layers}})
	if err != nil {
		return err
	}
	return errors.Join(addFile(out, configFile, data), addFile(out, "manifest.json", manifest), out.Close())
}

func addFile(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: epoch}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

// counter is a writer that counts bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
