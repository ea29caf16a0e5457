// Base64 of `input`, a string of Latin-1.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
let encoded = "";
for (let at = 0; at < input.length; at += 3) {
    const left = input.length - at;
    const [first, second, third] = [0, 1, 2].map((n) => (n < left ? input.charCodeAt(at + n) : 0));
    encoded += alphabet[first >> 2];
    encoded += alphabet[((first & 3) << 4) | (second >> 4)];
    encoded += left > 1 ? alphabet[((second & 15) << 2) | (third >> 6)] : "=";
    encoded += left > 2 ? alphabet[third & 63] : "=";
}
encoded;
