/**
 * The MobileNets' rule for channel counts: the nearest multiple of `divisor`, ties up, never below 90 % of what was asked for.
 * `make_divisible` of tensorflow/models `research/slim/nets/mobilenet/conv_blocks.py`, torchvision and timm.
 *
 * @param channels may be fractional: a width times the paper's count (0.35·32 = 11.2)
 * @param divisor the counts are multiples of it; also the smallest count
 */
export function roundChannels(channels: number, divisor: number = 8): number {
  const nearest = Math.max(divisor, Math.floor((channels + divisor / 2) / divisor) * divisor);
  return nearest < 0.9 * channels ? nearest + divisor : nearest;
}

/**
 * MobileNet V1's rule: the fraction is cut off, and no layer has fewer than 8 channels. `depth_multiplier` and `min_depth` of
 * tensorflow/models `research/slim/nets/mobilenet_v1.py`.
 *
 * @param channels may be fractional
 */
export function truncateChannels(channels: number): number {
  return Math.max(Math.trunc(channels), 8);
}
