package etcd

import (
	"context"
	"errors"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

// remembers stores a value, reads it, and deletes it.
func remembers(ctx context.Context, c *cluster.Cluster) error {
	via := c.ControlPlanes()
	key := []byte(component.ScratchName())
	if err := ask(ctx, via, "kv/put", map[string]any{"key": key, "value": []byte("1")}, nil); err != nil {
		return err
	}
	var got struct{ Kvs []struct{ Value []byte } }
	err := ask(ctx, via, "kv/range", map[string]any{"key": key}, &got)
	if err == nil && (len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "1") {
		err = errors.New("the stored value is missing")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, ask(ctx, via, "kv/deleterange", map[string]any{"key": key}, nil))
}
