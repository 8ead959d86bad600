package cli

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

func TestEtcd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line     string
		code     Code
		out, err string
	}{
		{"etcd get /registry/pods/default/web", OK, "mkube-control-plane$ mkube-etcd get -o yaml -- /registry/pods/default/web\n", ""},
		{"etcd get pods/default/web -o raw --name blue", OK, "blue-control-plane$ mkube-etcd get -o raw -- pods/default/web\n", ""},
		{"etcd ls", OK, "mkube-control-plane$ mkube-etcd ls --\n", ""},
		{"etcd ls pods/", OK, "mkube-control-plane$ mkube-etcd ls -- pods/\n", ""},
		{"etcd get none", 1, "", "Error: there is no key /registry/none\n"},
		{"etcd get old", Failed, "", "OCI runtime exec failed\nError: node mkube-control-plane has no program mkube-etcd, because its image is older than this mkube: rebuild the image (mkube build node-image) and create the cluster again\n"},
		{"etcd ls --name red", Failed, "", "Error: cluster \"red\" does not exist: mkube create cluster --name red creates it; existing clusters: blue, mkube\n"},
		{"etcd get", Usage, "", "Error: mkube etcd get needs one key: mkube etcd ls lists them\nSee mkube etcd get --help\n"},
		{"etcd get a -o table", Usage, "", "Error: --output must be yaml, json or raw, not \"table\"\nSee mkube etcd get --help\n"},
		{"etcd ls a b", Usage, "", "Error: mkube etcd ls takes one prefix, not 2\nSee mkube etcd ls --help\n"},
		{"etcd", Usage, "", "Error: mkube etcd needs a subcommand: get, ls or watch\nSee mkube etcd --help\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mkube", "blue")
			script := w.fake.clusters["mkube"][0].(*fakeNode).script
			script["mkube-etcd get -o yaml -- none"] = fails(1, "Error: there is no key /registry/none")
			script["mkube-etcd get -o yaml -- old"] = fails(126, "OCI runtime exec failed")
			w.want(t, w.run(t, tt.line), tt.code, tt.out, tt.err)
		})
	}
}

// TestEtcdWatchEnds checks that an interrupt ends the input of the program on the node, because
// that ends the program.
func TestEtcdWatchEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	w.fake.clusters["mkube"][0].(*fakeNode).script["mkube-etcd watch -- pods"] = func(cmd provider.Cmd) error {
		go func() {
			_, err := io.Copy(io.Discard, cmd.Stdin)
			ended <- err
		}()
		cancel()
		return fmt.Errorf("running mkube-etcd: %w", ctx.Err())
	}
	w.want(t, w.main(ctx, []string{"etcd", "watch", "pods"}), Interrupted, "", "Interrupted.\n")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
