//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/mkube/mkube/pkg/provider"
)

// nodeImage is the image of all nodes of these tests.
const nodeImage = "mkube/node:v1.37.2"

// box is a container of the node image that does not boot. It shows what a script of the image
// does, with other programs in place of those that the script runs.
type box struct{ id string }

// newBox creates a box, which is removed at the end of the test. It has the privileges of a node.
// Its cgroups are an empty folder.
func newBox(t *testing.T, change ...func(*container.HostConfig)) box {
	t.Helper()
	host := &container.HostConfig{
		CapAdd: []string{"ALL"}, CapDrop: []string{"SYS_RESOURCE"}, SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined"},
		MaskedPaths: []string{}, ReadonlyPaths: []string{}, Tmpfs: map[string]string{"/sys/fs/cgroup": "", "/run": ""},
	}
	for _, f := range change {
		f(host)
	}
	spec := &container.Config{Image: nodeImage, Entrypoint: []string{"sleep", "infinity"}}
	made, err := daemon.ContainerCreate(t.Context(), spec, host, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := daemon.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	})
	if err := daemon.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return box{made.ID}
}

// sh runs a shell script in the box.
func (b box) sh(t *testing.T, script string) result {
	t.Helper()
	exec, err := daemon.ContainerExecCreate(t.Context(), b.id, container.ExecOptions{
		Cmd: []string{"bash", "-c", script}, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := daemon.ContainerExecAttach(t.Context(), exec.ID, container.ExecAttachOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, conn.Reader); err != nil {
		t.Fatal(err)
	}
	ended, err := daemon.ContainerExecInspect(t.Context(), exec.ID)
	if err != nil {
		t.Fatal(err)
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), code: ended.ExitCode}
}

// must runs a script that must succeed, and returns its output.
func (b box) must(t *testing.T, script string) string {
	t.Helper()
	r := b.sh(t, script)
	if r.code != 0 {
		t.Fatalf("%s: %s", script, r)
	}
	return r.stdout
}

// write writes files to the box, by their paths. A file that begins with #! becomes a program.
func (b box) write(t *testing.T, files map[string]string) {
	t.Helper()
	var list []provider.File
	for path, data := range files {
		f := provider.File{Path: path, Data: []byte(data), Mode: 0o644}
		if strings.HasPrefix(data, "#!") {
			f.Mode = 0o755
		}
		list = append(list, f)
	}
	var script strings.Builder
	for _, f := range list {
		fmt.Fprintf(&script, "mkdir -p '%s' && cat >'%s' <<'END-OF-FILE' && chmod %o '%[2]s'\n%[4]s\nEND-OF-FILE\n", path.Dir(f.Path), f.Path, f.Mode, strings.TrimSuffix(string(f.Data), "\n"))
	}
	b.must(t, "set -e\n"+script.String())
}

// calls is the file in which fake programs of a box record their calls.
const calls = "/calls"

// fake writes programs to the box that record their calls and then run a script.
func (b box) fake(t *testing.T, scripts map[string]string) {
	t.Helper()
	files := map[string]string{}
	for name, script := range scripts {
		if !path.IsAbs(name) {
			name = "/usr/local/sbin/" + name
		}
		files[name] = "#!/bin/sh\necho \"$(basename \"$0\") $*\" >>" + calls + "\n" + script
	}
	b.write(t, files)
}

// called returns the calls of fake programs since the last call of called.
func (b box) called(t *testing.T) string {
	t.Helper()
	return b.must(t, "touch "+calls+"; cat "+calls+"; : >"+calls)
}

// ofVMs writes a script that is only for virtual machines to the box.
func (b box) ofVMs(t *testing.T, script string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../node-image/vm", script))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, map[string]string{script: string(data)})
}
