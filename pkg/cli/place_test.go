package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// farProvider creates its nodes on another host.
type farProvider struct {
	*fakeProvider
	err error
}

func (p farProvider) Place(_ context.Context, cfg config.Cluster) (config.Cluster, []string, error) {
	return cfg.PublishedAt("192.0.2.1"), []string{"it is far"}, p.err
}

// TestCreateElsewhere checks that create warns of what does not work at the place of the nodes,
// before it creates them.
func TestCreateElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider = func() (provider.Provider, error) { return farProvider{w.fake, nil}, nil }
	a := w.creates()
	if code := w.run(t, "create cluster"); code != OK || !strings.HasPrefix(w.err.String(), "Warning: it is far\n") || a.cfg.Networking.APIServerAddress != "192.0.2.1" {
		t.Errorf("exit code %d, the API server at %q: %s", code, a.cfg.Networking.APIServerAddress, w.err.String())
	}
	w = newWorld(t)
	w.provider = func() (provider.Provider, error) { return farProvider{w.fake, errors.New("too far")}, nil }
	w.want(t, w.run(t, "create cluster"), Usage, "", "Error: too far\n")
	w.err.Reset()
	w.want(t, w.run(t, "create cluster --dry-run"), Usage, "", "Error: too far\n")
}

// TestEverywherePlaces checks that a new cluster is placed where the engine is, and that a missing
// engine is no error yet.
func TestEverywherePlaces(t *testing.T) {
	t.Parallel()
	far := &multiProvider{docker: func() (provider.Provider, error) { return farProvider{}, nil }}
	cfg, warnings, err := far.Place(t.Context(), config.Cluster{}.Default())
	if cfg.Networking.APIServerAddress != "192.0.2.1" || len(warnings) != 1 || err != nil {
		t.Errorf("placed at %q, with %q, %v", cfg.Networking.APIServerAddress, warnings, err)
	}
	none := &multiProvider{docker: func() (provider.Provider, error) { return nil, errors.New("no engine") }}
	if _, warnings, err := none.Place(t.Context(), cfg); len(warnings) != 0 || err != nil {
		t.Errorf("without an engine: %q, %v", warnings, err)
	}
}
