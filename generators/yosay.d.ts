declare module 'yosay' {
  export default function yosay(message: string): string;
}
