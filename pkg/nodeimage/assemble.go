package nodeimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/mkube/mkube/pkg/names"
)

// assemble combines base and parts and loads the image into the daemon, unless the daemon has an
// image with the same inputs.
func (b *builder) assemble(ctx context.Context, base string) (result Result, err error) {
	result = Result{Tag: b.Tag, Versions: b.versions}
	err = b.step(b.product(), func() (string, error) {
		inputs, outputs, err := b.inputs(base)
		if err != nil {
			return "", err
		}
		have, err := b.Daemon.Label(ctx, b.Tag, names.LabelInputs)
		if err != nil {
			return "", err
		}
		if have == inputs {
			return b.Tag + " is up to date", nil
		}
		result.Fresh = true
		return b.Tag, b.load(ctx, base, inputs, outputs)
	})
	return result, err
}

// inputs returns the digest of everything that the image consists of, and the folder with the
// binaries of each part.
func (b *builder) inputs(base string) (string, map[string]string, error) {
	hash := sha256.New()
	outputs := map[string]string{}
	fmt.Fprintf(hash, "%s %+v %q %q\n", filepath.Base(filepath.Dir(base)), b.versions, imageConfig(b), formatVersion)
	for _, p := range b.parts {
		dir, err := b.output(p)
		if err != nil {
			return "", nil, err
		}
		outputs[p.name] = dir
		fmt.Fprintln(hash, p.name, filepath.Base(dir))
	}
	folders := []string{"rootfs"}
	if b.Bundle != "" {
		folders = append(folders, "vm")
	}
	for _, folder := range folders {
		if err := hashTree(hash, filepath.Join(b.Source, folder), isNone); err != nil {
			return "", nil, err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), outputs, nil
}

func (b *builder) load(ctx context.Context, base, inputs string, outputs map[string]string) error {
	return b.withLayers(ctx, base, outputs, func(layers []layer) error {
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(b.archive(writer, inputs, layers)) }()
		err := b.Daemon.Load(ctx, reader)
		reader.CloseWithError(context.Canceled) // ends the writer if the daemon did not read to the end
		if err != nil {
			return fmt.Errorf("loading %s: %w", b.Tag, err)
		}
		return nil
	})
}

// withLayers combines base and parts in a temporary folder, and calls use with the layers.
func (b *builder) withLayers(ctx context.Context, base string, outputs map[string]string, use func([]layer) error) error {
	tmp, err := os.MkdirTemp(b.Cache, ".image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	r, err := openRootfs(base)
	if err != nil {
		return err
	}
	defer r.Close()
	toolsDir := filepath.Join(tmp, "tools")
	if err := os.Mkdir(toolsDir, 0o755); err != nil {
		return err
	}
	tools, err := r.tools(toolsDir)
	if err != nil {
		return fmt.Errorf("gathering kube-proxy's tools: %w", err)
	}
	x := extras{tools: tools, busybox: filepath.Join(tmp, "busybox"), page: filepath.Join(tmp, "index.html")}
	if err := errors.Join(r.extract("usr/bin/busybox", x.busybox), os.WriteFile(x.page, webPage, 0o644)); err != nil {
		return err
	}
	preloaded := filepath.Join(tmp, "containerd")
	if err := b.preload(ctx, preloaded, outputs, x); err != nil {
		return err
	}
	extra := filepath.Join(tmp, "extra")
	if err := gather(ctx, extra, outputs["kubernetes"]); err != nil {
		return err
	}
	layers, err := b.layers(base, preloaded, extra, outputs)
	if err != nil {
		return err
	}
	return use(layers)
}

// gather writes a folder of files that no part contains: the RBAC rules that the release's API server
// grants to its components (see node-image/kubernetes/rbac.go).
func gather(ctx context.Context, dir, kubernetes string) error {
	rules, err := exec.CommandContext(ctx, filepath.Join(kubernetes, "kubernetes"), "bootstrap-rbac").Output()
	if err != nil {
		return fmt.Errorf("reading the RBAC rules of Kubernetes: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "rbac.jsonl"), rules, 0o644)
}
