package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Once sends one prepared request and wants a 200.
func Once(ctx context.Context, addr string, request []byte) error {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close() //nolint:errcheck // read to the end of the status
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write(request); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	status := make([]byte, 12)
	if _, err := io.ReadFull(c, status); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !strings.HasSuffix(string(status), " 200") {
		return fmt.Errorf("%w: %s", ErrAnswer, status)
	}
	return nil
}
