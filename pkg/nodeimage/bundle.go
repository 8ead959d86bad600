package nodeimage

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/mkube/mkube/pkg/progress"
)

// BundleInfo describes a bundle. It is the first entry of the bundle, BundleInfoPath, as JSON.
type BundleInfo struct {
	// Inputs is the digest of everything that the bundle consists of.
	Inputs   string   `json:"inputs"`
	Versions Versions `json:"versions"`
}

// BundleInfoPath is the path of the BundleInfo on a machine, without the leading slash.
const BundleInfoPath = partsDir + "/bundle.json"

// containerOnly lists the files of rootfs that would harm a machine. A machine mounts disks, keeps
// a log, has devices of its own, and runs more than the services of a node.
var containerOnly = []string{
	"etc/systemd/system/systemd-udevd.service", "etc/systemd/system/systemd-udev-trigger.service",
	"etc/systemd/system/systemd-udevd-control.socket", "etc/systemd/system/systemd-udevd-kernel.socket",
	"etc/systemd/journald.conf.d", "etc/systemd/system-generators",
	"etc/systemd/system/default.target", "usr/local/bin/mkube-node-init",
}

// assembleBundle writes everything that a node image adds to its base as one archive, which is
// unpacked at the root of a virtual machine. It does not write a bundle that exists with the same
// inputs.
func (b *builder) assembleBundle(ctx context.Context, base string) (result Result, err error) {
	result = Result{Tag: b.Bundle, Versions: b.versions}
	err = b.step(b.product(), func() (string, error) {
		inputs, outputs, err := b.inputs(base)
		if err != nil {
			return "", err
		}
		if have, err := ReadBundleInfo(b.Bundle); err == nil && have.Inputs == inputs {
			return b.Bundle + " is up to date", nil
		}
		result.Fresh = true
		return b.Bundle, b.withLayers(ctx, base, outputs, func(layers []layer) error {
			return b.writeBundle(BundleInfo{inputs, b.versions}, layers)
		})
	})
	return result, err
}

// writeBundle writes a temporary file and renames it, so that the bundle is never incomplete.
func (b *builder) writeBundle(info BundleInfo, layers []layer) error {
	if err := os.MkdirAll(filepath.Dir(b.Bundle), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(b.Bundle), "."+filepath.Base(b.Bundle)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	meter := &progress.Meter{On: b.event, Steps: []string{b.product()}}
	if err := errors.Join(b.bundle(meter.Writer(f), info, layers), f.Close()); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return errors.Join(os.Chmod(f.Name(), 0o644), os.Rename(f.Name(), b.Bundle))
}

// bundle writes the BundleInfo, the layer of the parts, and the files of a machine.
func (b *builder) bundle(w io.Writer, info BundleInfo, layers []layer) error {
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := addFile(out, BundleInfoPath, append(data, '\n')); err != nil {
		return err
	}
	for _, l := range layers {
		if l.name != partsLayer {
			continue
		}
		if err := appendLayer(out, l.write); err != nil {
			return err
		}
	}
	if err := appendLayer(out, b.machineFiles); err != nil {
		return err
	}
	return out.Close()
}

// machineFiles writes the units and scripts of a machine.
func (b *builder) machineFiles(w io.Writer) error {
	return writeTar(w, func(t *tree) {
		t.dir(filepath.Join(b.Source, "rootfs"), "", containerOnly...)
		t.dir(filepath.Join(b.Source, "vm"), "")
		t.file(filepath.Join(b.Source, packagesFile), path.Join(partsDir, packagesFile))
	})
}

// appendLayer adds the entries of an archive to another archive.
func appendLayer(out *tar.Writer, write func(io.Writer) error) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(write(writer)) }()
	defer reader.Close() // ends the writer if something fails here
	in := tar.NewReader(reader)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}

// ReadBundleInfo reads the BundleInfo of a bundle.
func ReadBundleInfo(file string) (BundleInfo, error) {
	f, err := os.Open(file)
	if err != nil {
		return BundleInfo{}, err
	}
	defer f.Close()
	r := tar.NewReader(f)
	h, err := r.Next()
	if err != nil || h.Name != BundleInfoPath {
		return BundleInfo{}, fmt.Errorf("%s is not a bundle of mkube build node-image", file)
	}
	var info BundleInfo
	if err := json.NewDecoder(r).Decode(&info); err != nil {
		return BundleInfo{}, fmt.Errorf("reading %s of %s: %w", BundleInfoPath, file, err)
	}
	return info, nil
}
